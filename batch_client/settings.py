"""The batch client's settings, from the environment."""

from pathlib import Path

from pydantic import Field, HttpUrl
from pydantic_settings import BaseSettings, SettingsConfigDict


class BatchSettings(BaseSettings):
    """What the environment says; the names are the variables' names, in any case. An empty one counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    inbox: Path = Field(default=Path("samples"), description="Folder of photos, when no SOURCE is named.")
    results_db: str = Field(default="data/results.db", description="File path or SQLAlchemy URL of the results.")
    torchserve_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:8080"), description="Base URL of the inference API."
    )
    torchserve_token_file: Path = Field(
        default=Path(".serving/inference.key"), description="File that holds the inference token."
    )
    service_patience_s: float = Field(
        default=60.0, gt=0, description="Seconds that the service may be silent before a run stops."
    )
