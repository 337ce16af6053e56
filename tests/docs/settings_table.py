"""The rows of the README's settings table, as the settings object knows them."""

from enum import Enum

from batch_client.settings import BatchSettings
from web.settings import WebSettings


def settings_rows() -> list[str]:
    """Return one Markdown row a variable of the batch client or the web desk."""
    return [
        f"| `{name.upper()}` | {_shown(setting.default)} | {setting.description} |"
        for program in (BatchSettings, WebSettings)
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
