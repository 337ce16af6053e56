"""What a person can ask of one run."""

from dataclasses import dataclass
from enum import Enum

from batch_client.pipeline.file_disposition import FileDisposition
from batch_client.sources.order_words import CategoryMap
from batch_client.sources.shard import Shard


class Resend(Enum):
    """Which known photos are sent again."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True)
class RunOptions:
    """What one run does besides classifying what is new.

    Attributes:
        disposition: what happens to the files.
        shard: the share of the source that this run takes.
        name: under which the source is stored; its path or URL if empty.
        resend: known photos to send again.
        settle_seconds: what ends too early counts as unfinished while it is younger.
        group: photos that are stored together. A killed run sends at most two groups again.
        category_map: what the shop's own words in the manifest mean.
        match_threshold: overrides the match threshold of the model; None keeps it.
        expects_photos: a run that finds none ends with an exit code for a person.
    """

    disposition: FileDisposition
    shard: Shard
    name: str = ""
    resend: Resend = Resend.NONE
    settle_seconds: float = 600.0
    group: int = 64
    category_map: CategoryMap | None = None
    match_threshold: float | None = None
    expects_photos: bool = False
