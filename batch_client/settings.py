"""The batch client's settings, from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl
from pydantic_settings import BaseSettings, SettingsConfigDict

from batch_client.pipeline.file_disposition import Processed


class BatchSettings(BaseSettings):
    """What the environment says; the names are the variables' names, in any case. An empty one counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    inbox: str = Field(
        default="samples", description="folder of photos, or a URL: `s3://`, `gs://`, `az://`, `sftp://`"
    )
    results_db: str = Field(default="data/results.db", description="results: a file or an SQLAlchemy URL")
    torchserve_url: HttpUrl = Field(default=HttpUrl("http://127.0.0.1:8080"), description="where TorchServe is found")
    torchserve_token_file: Path = Field(default=Path(".serving/inference.key"), description="the file with its token")
    service_patience_s: float = Field(
        default=60.0,
        gt=0,
        description="seconds that the service may be silent before a run stops",
    )
    batch_schedule: str | None = Field(
        default=None, description="when `batch-client schedule` runs, as a crontab line; not set: `0 2 * * *`"
    )
    tz: str | None = Field(default=None, description="time zone of the schedule; not set: the machine's")
    batch_time_limit_s: float | None = Field(
        default=None, gt=0, description="seconds after which a run stops at a photo's boundary"
    )
    batch_shard: str = Field(default="", description="`INDEX/COUNT`: the share of the source that this client takes")
    job_completion_index: int | None = Field(
        default=None,
        ge=0,
        description="set by Kubernetes: the INDEX where `BATCH_SHARD` is `/COUNT`",
    )
    processed: Processed = Field(
        default=Processed.KEEP,
        description="what becomes of a classified photo's file: `keep`, `move`, `delete`; "
        "one that a person must see and the desk cannot show stays",
    )
    processed_dir: Path = Field(default=Path("data/processed"), description="where `move` puts it")
    quarantine_dir: Path = Field(
        default=Path("data/quarantine"), description="photos at fault themselves, each with a `.reason`"
    )
    media_dir: Path = Field(
        default=Path("data/media"), description="pictures without EXIF of what a person will look at"
    )
    report_dir: Path | None = Field(default=None, description="gets an HTML and a JSON report of each run")
    audit_share: float = Field(
        default=0.02, ge=0, le=1, description="share of the accepted photos that a person looks at all the same"
    )
    log_dir: Path = Field(default=Path("logs"), description="`batch.log` and the server's `app.log`, rotated")
    log_format: Literal["text", "json"] = Field(default="text", description="`text` or `json` lines")
    webhook_url: HttpUrl | None = Field(default=None, description="gets each run's report as JSON")
    ping_url: HttpUrl | None = Field(
        default=None, description="dead man's switch: called after each run, at `/fail` when it failed"
    )
