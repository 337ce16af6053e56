"""The batch client's settings, from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from batch_client.pipeline.file_disposition import Processed
from batch_client.pipeline.pictures import KeepPictures


class BatchSettings(BaseSettings):
    """What the environment says; the names are the variables' names, in any case. An empty one counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    inbox: str = Field(
        default="samples", description="folder of photos, or a URL: `s3://`, `gs://`, `az://`, `sftp://`"
    )
    results_db: str = Field(
        default="data/results.db", description="database of the results: a file or an SQLAlchemy URL"
    )
    torchserve_url: HttpUrl = Field(default=HttpUrl("http://127.0.0.1:8080"), description="address of TorchServe")
    torchserve_token_file: Path = Field(
        default=Path(".serving/inference.key"), description="file with the token of TorchServe"
    )
    service_patience_s: float = Field(
        default=60.0,
        gt=0,
        description="seconds without an answer of the service after which a run stops",
    )
    batch_schedule: str | None = Field(
        default=None, description="times of `batch-client schedule`, as a crontab line; not set: `0 2 * * *`"
    )
    tz: str | None = Field(default=None, description="time zone of the schedule; not set: that of the machine")
    batch_time_limit_s: float | None = Field(
        default=None, gt=0, description="seconds after which a run stops; photos in flight are finished first"
    )
    batch_shard: str = Field(
        default="", description="`INDEX/COUNT`: the share of the source that this client classifies"
    )
    batch_memory_mb: int = Field(
        default=32, ge=1, description="megabytes of photos that a run holds at once; a larger photo goes alone"
    )
    job_completion_index: int | None = Field(
        default=None,
        ge=0,
        description="set by Kubernetes: the INDEX if `BATCH_SHARD` is `/COUNT`",
    )
    ignore: str = Field(
        default="",
        description="more names of files and folders that are left out, separated by `,`, such as `*.pdf,proofs`",
    )
    category_map: Path | None = Field(
        default=None,
        description="CSV (`shop_category,categories`) with the words by which your manifest names what was ordered",
    )
    expect_photos: bool = Field(
        default=False, description="`true`: a run that finds no photo ends with code 2; its source may be unmounted"
    )
    settle_s: float = Field(
        default=600.0,
        ge=0,
        description="seconds: a photo or manifest that ends too early waits while it is younger; its upload may go on",
    )
    processed: Processed = Field(
        default=Processed.KEEP,
        description="what happens to the file of a classified photo: `keep`, `move` or `delete`; "
        "files still needed for review are kept",
    )
    processed_dir: Path = Field(default=Path("data/processed"), description="folder for `PROCESSED=move`")
    quarantine_dir: Path = Field(
        default=Path("data/quarantine"),
        description="folder for photos that cannot be classified, each with a `.reason` file",
    )
    media_dir: Path = Field(default=Path("data/media"), description="pictures for the desk, without EXIF")
    keep_pictures: KeepPictures = Field(
        default=KeepPictures.REVIEW,
        description="photos of which `MEDIA_DIR` keeps a picture: `review` those that a person looks at and the "
        "earlier ones that they repeat, `all` every classified photo",
    )
    report_dir: Path | None = Field(
        default=Path("data/reports"), description="folder for an HTML and a JSON report of each run; `none`: no reports"
    )
    audit_share: float = Field(
        default=0.02, ge=0, le=1, description="share of the accepted photos that a person reviews as a sample"
    )
    match_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="probability of the ordered categories from which a photo matches its order; not set: that of the "
        "model. It counts for new photos; `batch-client decide` applies it to known ones",
    )
    log_dir: Path = Field(
        default=Path("logs"), description="folder for `batch.log` and the `app.log` of the service, both rotated"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="format of the log lines: `text` or `json`")
    webhook_url: HttpUrl | None = Field(default=None, description="URL that gets the report of each run as JSON")
    desk_url: HttpUrl | None = Field(
        default=None, description="address of the review desk, as the reports of the batch client name it"
    )
    returns_webhook_url: HttpUrl | None = Field(
        default=None, description="URL of the shop's system that gets each final decision of a return"
    )
    returns_webhook_secret: str = Field(
        default="", description="secret that signs these messages (HMAC-SHA256); not set: they are not signed"
    )
    ping_url: HttpUrl | None = Field(
        default=None,
        description="dead man's switch: URL that is called after each run, with `/fail` after a failed run",
    )

    @field_validator("report_dir", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value

    @property
    def ignored_names(self) -> list[str]:
        """The patterns of ``ignore``."""
        return [pattern.strip() for pattern in self.ignore.split(",") if pattern.strip()]

    @property
    def desk_address(self) -> str | None:
        """``desk_url`` as text."""
        return None if self.desk_url is None else str(self.desk_url)
