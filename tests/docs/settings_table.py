"""The rows of the settings tables in the docs, built from the settings classes."""

from enum import Enum

from pydantic_settings import BaseSettings


def settings_rows(program: type[BaseSettings]) -> list[str]:
    """Return one Markdown row for each variable of a program: its name, default and description."""
    return [
        f"| `{name.upper()}` | {_shown(setting.default)} | {setting.description} |"
        for name, setting in program.model_fields.items()
    ]


def _shown(default: object) -> str:
    if default is None or default == "":
        return "not set"
    value = default.value if isinstance(default, Enum) else default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).rstrip('/')}`"
