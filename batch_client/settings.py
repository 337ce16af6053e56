"""The batch client's settings, from the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class BatchSettings(BaseSettings):
    """What the environment says; the names are the variables' names, in any case."""

    inbox: Path = Field(default=Path("samples"), description="Folder of photos, when no SOURCE is named.")
    results_db: str = Field(default="data/results.db", description="File path or SQLAlchemy URL of the results.")
    torchserve_url: str = Field(default="http://127.0.0.1:8080", description="Base URL of the inference API.")
    torchserve_token_file: Path = Field(
        default=Path(".serving/inference.key"), description="File that holds the inference token."
    )
