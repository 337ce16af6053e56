"""The picture of the earlier photo that a new one repeats, so that the desk can show both side by side."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from batch_client.pipeline.file_disposition import places_of
from batch_client.pipeline.photo import LARGEST_PHOTO, Photo
from batch_client.pipeline.processor import PhotoProcessor
from batch_client.pipeline.resources import HeldBytes
from batch_client.sources.local import FoundFile
from batch_client.sources.source import Source, SourceFile, SourceLost
from results.orders import NO_ORDER
from results.photos import PhotoKey
from service_client.responses import Picture


class EarlierPictures:
    """Makes pictures of photos that an earlier run, or this one, accepted without one.

    An exact repeat has the same bytes, so its own picture is that of the earlier photo. Of a near repeat the bytes of
    the earlier photo are needed. They come from the source, or from ``PROCESSED_DIR``; with ``PROCESSED=delete`` they
    are gone.

    Args:
        source: of this run.
        name: under which the source is stored.
        processed_folder: where classified photos are moved.
        processor: requests and keeps pictures.
    """

    def __init__(self, source: Source, name: str, processed_folder: Path, processor: PhotoProcessor) -> None:
        self._source = source
        self._name = name
        self._processed_folder = processed_folder
        self._processor = processor
        self._one_at_a_time = threading.Lock()  # its bytes come on top of the run's budget of memory

    def has(self, earlier: PhotoKey) -> bool:
        """Return whether the desk has a picture of an earlier photo."""
        return self._processor.media.exists(earlier.sha256)

    def make(self, earlier: PhotoKey) -> bool:
        """Make the picture of an earlier photo; return False if its file is gone or the service makes none.

        Raises:
            ServiceAway, Stopped: there was no answer; the next run tries again.
            ResultsError: the disk refuses.
        """
        with self._one_at_a_time:
            if self.has(earlier):
                return True
            photo = self._read(earlier)
            picture = self._processor.request_picture(photo) if photo is not None else None
            if photo is None or not isinstance(picture, Picture):
                return False
            return self._processor.keep_picture(photo, picture)

    def _read(self, earlier: PhotoKey) -> Photo | None:
        """Read the bytes of an earlier photo; None if no file holds them any more."""
        for file in self._files(earlier):
            held = HeldBytes(0, lambda _: None)
            try:
                for chunk in file.chunks():
                    held.data += chunk
                    if len(held.data) > LARGEST_PHOTO:
                        break
            except SourceLost:
                continue  # whoever reads the next photo of the source ends the run
            except OSError:
                continue
            photo = Photo(file, earlier, len(held.data), NO_ORDER, None, time.time(), held)
            if photo.has_bytes_of(earlier.sha256):
                return photo
        return None

    def _files(self, earlier: PhotoKey) -> Iterator[SourceFile]:
        """Yield the files that may hold the bytes. A file that is being moved is at the second place by then."""
        if earlier.source == self._name:
            yield self._source.file_at(earlier.filename)
        elif (folder := Path(earlier.source)).is_absolute() and folder.is_dir():
            yield FoundFile(folder / earlier.filename, earlier.filename, folder)
        for place in places_of(self._processed_folder, earlier.filename, earlier.sha256):
            yield FoundFile(place, earlier.filename)
