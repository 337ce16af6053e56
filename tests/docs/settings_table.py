"""The rows of the README's settings table, as the settings object knows them."""

from enum import Enum

from batch_client.settings import BatchSettings


def settings_rows() -> list[str]:
    """Return one Markdown row a variable of the batch client."""
    return [
        f"| `{name.upper()}` | {_shown(setting.default)} | {setting.description} |"
        for name, setting in BatchSettings.model_fields.items()
    ]


def _shown(default: object) -> str:
    if default is None or default == "":
        return "not set"
    value = default.value if isinstance(default, Enum) else default
    return f"`{str(value).rstrip('/')}`"
