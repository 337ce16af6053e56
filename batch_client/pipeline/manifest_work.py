"""What a manifest wants besides the photos of the source: product photos for the desk, and photos put away before."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial

from batch_client.inference.retry import ServiceAway
from batch_client.pipeline.photo import Gone, Photo
from batch_client.pipeline.processor import PhotoProcessor
from batch_client.pipeline.progress import RunProgress
from batch_client.pipeline.resources import Stages
from batch_client.pipeline.run_store import RunStore
from batch_client.sources.manifest import Manifest, ManifestEntry
from batch_client.sources.shard import Shard
from batch_client.sources.source import Source
from batch_client.stop import Stopped, StopSignal
from results.product_photos import ProductPhoto
from service_client.responses import Picture

_GROUP = 64
_NAMES_SHOWN = 5
_MISSING = "it is not in the source"
_NO_PICTURE = "the service can make no picture of it"


def apply_to_put_away(store: RunStore, name: str, manifest: Manifest, shard: Shard) -> list[str]:
    """Apply the lines of photos that an earlier run has stored and put away.

    Args:
        store: the results.
        name: under which the source is stored.
        manifest: of the source.
        shard: share of the photos that this run takes.

    Returns:
        A sentence if photos stay without a return although a line names one.

    Raises:
        ResultsError: the results cannot be written.
    """
    entries = {filename: manifest.entries[filename] for filename in manifest.put_away if shard.holds(filename)}
    lines = {filename: (entry.return_id, entry.order) for filename, entry in entries.items()}
    left = store.store_put_away(name, lines)
    if not left:
        return []
    shown = ", ".join(map(repr, left[:_NAMES_SHOWN])) + (
        f" and {len(left) - _NAMES_SHOWN} more" if len(left) > _NAMES_SHOWN else ""
    )
    what = "line names a photo" if len(left) == 1 else "lines name photos"
    return [
        f"{manifest.name}: {len(left)} {what} stored without a return, whose file is gone from the source: {shown}. "
        "Put the file back (PROCESSED_DIR may hold it), and run again"
    ]


class ProductPhotoKeeper:
    """Keeps the pictures of product photos. A product photo without a picture is told and stops nothing.

    Args:
        stages: do the work.
        processor: reads files, and requests and keeps pictures.
        store: the results.
        name: under which the source is stored.
        stop: of the run.
        progress: of the run.
    """

    def __init__(
        self,
        stages: Stages,
        processor: PhotoProcessor,
        store: RunStore,
        name: str,
        stop: StopSignal,
        progress: RunProgress,
    ) -> None:
        self._stages = stages
        self._processor = processor
        self._store = store
        self._name = name
        self._stop = stop
        self._progress = progress
        self._stored: Mapping[str, ProductPhoto] = {}
        self._found: list[ProductPhoto] = []
        self._missing: list[str] = []
        self._without_picture: list[tuple[str, str]] = []  # path and reason

    def keep(self, source: Source, manifest: Manifest, shard: Shard) -> list[str]:
        """Make the pictures that are missing, and store where they are.

        A run that is to end leaves the rest to the next run, as it leaves photos.

        Args:
            source: of the photos.
            manifest: names the product photos.
            shard: share of them that this run takes.

        Returns:
            A sentence for each kind of problem.

        Raises:
            ResultsError: results or disk cannot be written.
        """
        paths = [path for path in manifest.product_photos if shard.holds(path)]
        self._stored = self._store.stored_products(self._name, paths)
        for start in range(0, len(paths), _GROUP):
            if self._stop.reason is not None:
                self._progress.cut_short()
                break
            for path in paths[start : start + _GROUP]:
                file = manifest.product_photos[path].file or source.file_at(path)
                then = partial(self._on_read, path)
                self._stages.reading.submit(then, self._processor.read, file, self._name, ManifestEntry())
            while self._stages.in_progress:
                self._stages.take_finished()
            changed = [found for found in self._found if found != self._stored.get(found.path)]
            nobodys = self._store.store_products(self._name, changed, self._replaced(changed))
            self._processor.remove_pictures(nobodys)
            self._found = []
        return list(self._problems(manifest))

    def _on_read(self, path: str, future: Future[Photo]) -> None:
        try:
            photo = future.result()
        except Stopped:
            self._progress.cut_short()
        except Gone:
            self._tell_missing(path)
        else:
            self._look_up(path, photo)

    def _replaced(self, changed: list[ProductPhoto]) -> list[str]:
        """Return the hashes of files that other bytes have replaced."""
        stored = ((self._stored.get(found.path), found) for found in changed)
        return [old.sha256 for old, found in stored if old and old.sha256 and old.sha256 != found.sha256]

    def _is_kept(self, path: str) -> bool:
        """Return whether an earlier run has kept a picture."""
        stored = self._stored.get(path)
        return stored is not None and stored.sha256 is not None and stored.problem is None

    def _tell_missing(self, path: str) -> None:
        if not self._is_kept(path):
            self._missing.append(path)
            self._found.append(ProductPhoto(path, None, _MISSING))

    def _look_up(self, path: str, photo: Photo) -> None:
        """Find out what need not be requested: what has a picture, and what the service has refused before."""
        stored = self._stored.get(path)
        if photo.failure is not None:
            self._lacks_picture(path, photo, photo.failure.message, is_permanent=False)
        elif self._processor.has_picture(photo):
            self._has_picture(path, photo)
        elif stored is not None and stored.sha256 == photo.key.sha256 and stored.problem is not None:
            self._lacks_picture(path, photo, stored.problem, is_permanent=True)
        else:
            then = partial(self._on_answer, path, photo)
            self._stages.fetching.submit(then, self._processor.request_picture, photo)

    def _on_answer(self, path: str, photo: Photo, future: Future[Picture | str | None]) -> None:
        try:
            answer = future.result()
        except (ServiceAway, Stopped) as error:
            self._progress.cut_short(str(error))
            photo.release()
            return
        if isinstance(answer, Picture):
            then = partial(self._on_picture_kept, path, photo)
            self._stages.disk.submit(then, self._processor.keep_picture, photo, answer)
        elif answer is None:  # the next run asks again
            self._lacks_picture(path, photo, "the service did not answer to it", is_permanent=False)
        else:
            self._lacks_picture(path, photo, answer, is_permanent=True)

    def _on_picture_kept(self, path: str, photo: Photo, future: Future[bool]) -> None:
        if future.result():
            self._has_picture(path, photo)
        else:
            self._lacks_picture(path, photo, _NO_PICTURE, is_permanent=True)

    def _has_picture(self, path: str, photo: Photo) -> None:
        self._found.append(ProductPhoto(path, photo.key.sha256))
        photo.release()

    def _lacks_picture(self, path: str, photo: Photo, reason: str, is_permanent: bool) -> None:
        """Record why there is no picture; with the hash if the same bytes need not be sent again.

        What may pass does not cost a picture that an earlier run has kept.
        """
        self._without_picture.append((path, reason))
        if is_permanent or not self._is_kept(path):
            self._found.append(ProductPhoto(path, photo.key.sha256 if is_permanent else None, reason))
        photo.release()

    def _problems(self, manifest: Manifest) -> Iterator[str]:
        named = manifest.product_photos
        if self._missing:
            count = len(self._missing)
            are = "product photo is" if count == 1 else "product photos are"
            first = sorted(self._missing, key=lambda path: named[path].line)[:_NAMES_SHOWN]
            shown = ", ".join(f"{path!r} (line {named[path].line})" for path in first)
            more = f" and {count - _NAMES_SHOWN} more" if count > _NAMES_SHOWN else ""
            yield f"{manifest.name}: {count} {are} not in the source: {shown}{more}"
        for path, reason in sorted(self._without_picture, key=lambda pair: named[pair[0]].line):
            yield f"{manifest.name} line {named[path].line}: the product photo {path!r} has no picture: {reason}"
