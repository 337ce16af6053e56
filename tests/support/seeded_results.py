"""Results as a night leaves them: photos that wait for a person, each with its picture."""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from batch_client.pipeline.pictures import MediaStore
from results import photos, runs
from results.database import Database
from results.photos import Classified, PhotoKey
from results.runs import Counts
from tests.support.desk_pictures import picture_of
from tests.support.drawn_photos import SAMPLES
from tools.demo_returns import GUESSES

CATEGORIES = sorted({name for names in GUESSES.values() for name in names})


@dataclass(frozen=True)
class Drawn:
    """A sample picture, turned and shaded so that its bytes are its own."""

    name: str
    number: int

    def encoded(self) -> bytes:
        with Image.open(SAMPLES / f"{self.name}.jpg") as image:
            picture = ImageOps.mirror(image) if self.number % 2 else image.copy()
        picture.putpixel((0, 0), (self.number % 256, self.number // 256, 7))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88, comment=f"{self.name} {self.number}")
        return buffer.getvalue()


def unsure(drawn: Drawn, confidence: float, **more: Any) -> Classified:
    """Return an answer that a person must look at, with the drawing's bytes as its key."""
    first, second, third = GUESSES[drawn.name]
    top: list[dict[str, Any]] = [
        {"class": first, "probability": round(confidence, 6)},
        {"class": second, "probability": round((1 - confidence) * 0.6, 6)},
        {"class": third, "probability": round((1 - confidence) * 0.3, 6)},
    ]
    key = PhotoKey(
        "/returns/inbox",
        f"2026-11-22/{drawn.name}-{drawn.number:03}.jpg",
        hashlib.sha256(drawn.encoded()).hexdigest(),
        f"R-{4000 + drawn.number}",
    )
    answer = Classified(key, 20_000, first, top[0]["probability"], "review", "low_confidence", top, "1.0.0", "1")
    return replace(answer, **more)


def fill(database: Database, media: Path, answers: list[tuple[Drawn, Classified]]) -> int:
    """Store a finished run of these answers, and the pictures that go with them; return the run."""
    store = MediaStore(media)
    for drawn, answer in answers:
        photo = drawn.encoded()
        assert store.write(answer.photo.sha256, picture_of(photo), photo)
    with database.writing() as connection:
        run = runs.start_run(connection, "/returns/inbox")
        runs.set_versions(connection, run, "1.0.0", "1")
        for _, answer in answers:
            photos.store(connection, run, answer)
        runs.finish_run(connection, run, "finished", 0, Counts(classified=len(answers)), None)
    return run


def night(count: int) -> list[tuple[Drawn, Classified]]:
    """Return answers of a typical night: two mismatches first, a repeat, the rest unsure, some of one category."""
    names = list(GUESSES)
    drawn = [Drawn(names[number % len(names)], number) for number in range(count)]
    answers = [unsure(each, 0.35 + 0.6 * number / count) for number, each in enumerate(drawn)]
    for number, expected in ((0, "Jeans"), (4, "Watches")):
        if number < count:
            answers[number] = replace(answers[number], expected_category=expected)
    if count > 6:  # the same bytes in another return
        key = replace(answers[5].photo, filename="2026-11-22/again.jpg", return_id="R-9001")
        drawn[6], answers[6] = drawn[5], replace(answers[5], photo=key)
    return list(zip(drawn, answers, strict=True))


def without_returns(answers: list[tuple[Drawn, Classified]]) -> list[tuple[Drawn, Classified]]:
    """Return the same photos without a return, and without the repeat."""
    loose = [(drawn, replace(each, photo=replace(each.photo, return_id=""))) for drawn, each in answers]
    return [pair for pair in loose if pair[1].photo.filename != "2026-11-22/again.jpg"]


def night_of_returns(count: int) -> list[tuple[Drawn, Classified]]:
    """Return answers of ``count`` returns of one to three photos: a third mismatches, some repeats, the rest unsure.

    The first return is a mismatch with three photos. Every tenth return repeats a photo of the return before it.
    """
    names = list(GUESSES)
    found: list[tuple[Drawn, Classified]] = []
    for number in range(count):
        for place in range((3, 1, 2)[number % 3]):
            drawn = Drawn(names[(number + place) % len(names)], 3 * number + place)
            seen = GUESSES[drawn.name]
            ordered = seen[0] if number % 3 else "Sarees"
            verdict = {"match_probability": 0.4, "match_verdict": "unsure", "reason": "unsure_match"}
            if number % 3 == 0:
                verdict = {"match_probability": 0.001, "match_verdict": "mismatch", "reason": "mismatch"}
            answer = unsure(drawn, 0.4 + 0.5 * number / count, expected_category=ordered, **verdict)
            return_id = f"R-{5000 + number}"
            key = replace(answer.photo, filename=f"2026-11-22/{return_id}_{place}.jpg", return_id=return_id)
            found.append((drawn, replace(answer, photo=key)))
        if number % 10 == 9:
            drawn, answer = next(pair for pair in found if pair[1].photo.return_id == f"R-{4999 + number}")
            key = replace(answer.photo, filename=f"2026-11-22/{return_id}_again.jpg", return_id=return_id)
            found.append((drawn, replace(answer, photo=key)))
    return found
