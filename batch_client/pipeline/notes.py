"""What a run has to say besides its counts, so that nothing is lost in silence."""

from collections.abc import Mapping, Sequence

from batch_client.pipeline.progress import RunEnd, RunProgress
from batch_client.sources.manifest import Manifest

EARLIER_RUNS = 3  # that are compared with this one
_MANY = 10  # photos
_NAMES_SHOWN = 5
_PROBLEMS_KEPT = 100  # of a manifest


def notes_of(
    progress: RunProgress, end: RunEnd, manifest: Manifest, ignored: Mapping[str, int], earlier: Sequence[int]
) -> tuple[tuple[str, str], ...]:
    """Return pairs of kind (``warning``, ``manifest``, ``left``, ``ignored``) and message.

    Args:
        progress: of the run.
        end: of the run.
        manifest: of the source.
        ignored: how many files and folders were left out, by pattern.
        earlier: how many photos the newest finished runs over the source found.
    """
    notes: list[tuple[str, str]] = []
    if end.status == "finished" and not progress.counts.found and earlier and min(earlier) >= _MANY:
        found = ", ".join(map(str, earlier))
        notes.append(("warning", f"no photo was found; the runs before found {found}. Is the source the right one?"))
    notes.extend(("manifest", problem) for problem in manifest.problems[:_PROBLEMS_KEPT])
    if len(manifest.problems) > _PROBLEMS_KEPT:
        notes.append(("manifest", f"and {len(manifest.problems) - _PROBLEMS_KEPT} more problems of the manifest"))
    if manifest.entries and manifest.unnamed:
        notes.append(("manifest", f"photos that no line of the manifest names: {manifest.unnamed}"))
    if progress.unfinished:
        count = progress.unfinished
        notes.append(("left", f"photos that end too early and wait, because their upload may go on: {count}"))
    if progress.gone:
        notes.append(("left", f"photos that were gone before they could be read: {progress.gone}"))
    if progress.without_earlier_picture:
        count = len(progress.without_earlier_picture)
        shown = ", ".join(map(repr, progress.without_earlier_picture[:_NAMES_SHOWN]))
        more = f" and {count - _NAMES_SHOWN} more" if count > _NAMES_SHOWN else ""
        sentence = "earlier photos of repeats that the desk cannot show, because no file of them is left"
        notes.append(("left", f"{sentence}: {shown}{more}. KEEP_PICTURES=all keeps a picture of each photo"))
    if ignored:
        names = ", ".join(f"{count} {pattern}" for pattern, count in sorted(ignored.items()))
        notes.append(("ignored", f"ignored by name: {names}"))
    return tuple(notes)
