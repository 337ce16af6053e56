"""A night of a returns team, drawn: sixty returns of each kind that happens, and what is right for each of them."""

import io
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.drawn_photos import SAMPLES, encoded

ITEMS = {
    "belt": "Belts",
    "casual-shoe": "Casual Shoes",
    "dress": "Dresses",
    "handbag": "Handbags",
    "heel": "Heels",
    "jeans": "Jeans",
    "shorts": "Shorts",
    "socks": "Socks",
    "sunglasses": "Sunglasses",
    "tshirt": "Tshirts",
    "watch": "Watches",
}
# The shop's own words; "Umhang" is in no map.
CATEGORY_MAP = (
    "shop_category,categories\nTrainers,Casual Shoes|Sports Shoes\nDenim; lang,Jeans\nDamen > Taschen,handbags\n"
)
_WORDS = (("casual-shoe", "trainers"), ("jeans", "Denim; lang"), ("handbag", " damen > Taschen"))
_MEANINGS = {"trainers": ("Casual Shoes", "Sports Shoes"), "Denim; lang": ("Jeans",), " damen > Taschen": ("Handbags",)}
UNKNOWN_WORD = "Umhang"
_KINDS = {
    "right": 22,
    "word": 8,
    "wrong": 8,
    "mixed": 4,
    "copied": 4,
    "saved again": 4,
    "unusable": 4,
    "two things": 3,
    "unknown word": 3,
}
_EARLIER = 6  # returns of the night before
_LATE = 7  # the lines of every seventh return come late
_OLD = 3600.0  # seconds; no upload goes on
# 8x8 pixels of two photos correlate less than this, so that none is taken for a copy of another.
_LEAST_ALIKE = 0.985

Ask = Callable[[bytes, tuple[str, ...]], tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class DrawnPhoto:
    """A photo of a return.

    Attributes:
        name: in the inbox.
        content: of the file.
        word: what the manifest says was ordered.
        expected: the categories that this means; empty if nobody knows the word.
        repeats: it shows the same picture as a photo of another return that came before.
    """

    name: str
    content: bytes
    word: str
    expected: tuple[str, ...]
    repeats: bool = False


@dataclass(frozen=True)
class DrawnReturn:
    """A return with its photos; ``is_late`` if its lines of the manifest come after its photos."""

    return_id: str
    kind: str
    photos: tuple[DrawnPhoto, ...]
    is_late: bool = False


@dataclass
class DrawnNight:
    """The night before, and the night of sixty returns."""

    before: list[DrawnReturn] = field(default_factory=list)
    returns: list[DrawnReturn] = field(default_factory=list)


class Artist:
    """Draws photos of items, none like another, always the same ones."""

    def __init__(self) -> None:
        self._random = random.Random(20261128)
        self._drawn: list[np.ndarray[Any, np.dtype[np.float64]]] = []

    def photo(self, item: str) -> bytes:
        """Draw a photo of an item: turned, nearer or farther, and in another light."""
        while True:
            image = self._draw(item)
            tiny = np.asarray(image.resize((8, 8), Image.Resampling.BOX), dtype=np.float64).ravel()
            if all(np.corrcoef(tiny, other)[0, 1] < _LEAST_ALIKE for other in self._drawn):
                self._drawn.append(tiny)
                return encoded(image, quality=92)

    def other_item(self, item: str) -> str:
        """Return an item of another kind that nobody could take for it."""
        shoes = {"casual-shoe", "heel", "socks"}
        others = [other for other in ITEMS if other != item and not {item, other} <= shoes]
        return self._random.choice(others)

    def item(self) -> str:
        """Return any item."""
        return self._random.choice(list(ITEMS))

    def _draw(self, item: str) -> Image.Image:
        with Image.open(SAMPLES / f"{item}.jpg") as sample:
            image = sample.convert("RGB")
        image = image.rotate(self._random.uniform(-14, 14), Image.Resampling.BICUBIC, fillcolor=(252, 252, 252))
        width = int(image.width * self._random.uniform(0.86, 1.0))
        height = width * 4 // 3
        left, top = self._random.randrange(image.width - width + 1), self._random.randrange(image.height - height + 1)
        image = image.crop((left, top, left + width, top + height)).resize((300, 400), Image.Resampling.BICUBIC)
        seed = self._random.randrange(1 << 32)
        light = np.random.default_rng(seed).integers(170, 256, (4, 3, 3), dtype=np.uint8)
        field_of_light = Image.fromarray(light).resize(image.size, Image.Resampling.BICUBIC)
        lit = np.asarray(image, dtype=np.float64) * np.asarray(field_of_light, dtype=np.float64) / 255
        return Image.fromarray(lit.astype(np.uint8))


def draw_night() -> DrawnNight:
    """Draw both nights."""
    artist, night = Artist(), DrawnNight()
    for number in range(_EARLIER):
        item = artist.item()
        night.before.append(_return(f"B-{number:03}", "right", [(artist.photo(item), ITEMS[item])]))
    originals = [photo.content for earlier in night.before for photo in earlier.photos]
    kinds = [kind for kind, count in _KINDS.items() for _ in range(count)]
    for number, kind in enumerate(kinds):
        drawn = _of_kind(f"R-{number:03}", kind, number, originals, artist)
        night.returns.append(replace(drawn, is_late=number % _LATE == 0))
    return night


def write(folder: Path, returns: list[DrawnReturn]) -> None:
    """Write the photos of returns as files that nobody is uploading any more."""
    for drawn in returns:
        for photo in drawn.photos:
            path = folder / photo.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo.content)
            _age(path)


def write_manifest(folder: Path, returns: list[DrawnReturn]) -> None:
    """Write the lines of returns as a German office program does."""
    lines = [f'{photo.name};{drawn.return_id};"{photo.word}"' for drawn in returns for photo in drawn.photos]
    path = folder / "Manifest.csv"
    path.write_text("\r\n".join(["Filename;Return-ID;Expected Category", *lines, ""]), encoding="utf-16")
    _age(path)


def right_rows(night: list[DrawnReturn], ask: Ask, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows of the view ``returns`` that are right.

    They follow from how the night was drawn and from what the service says of each photo asked alone. The rule is that
    of docs/results-schema.md, written down once more.

    Args:
        night: the returns.
        ask: posts a photo with the categories that were ordered; returns status and answer.
        classes: of the model, in its order.
    """
    return [_right_row(drawn, ask, classes) for drawn in night]


def _right_row(drawn: DrawnReturn, ask: Ask, classes: tuple[str, ...]) -> dict[str, Any]:
    found = [(_finding(photo, ask), photo.expected) for photo in drawn.photos]
    findings = [finding for finding, _ in found]
    orders = {expected for _, expected in found if expected}
    matched = {expected for finding, expected in found if expected and finding == "match"}
    counts = {name: findings.count(name) for name in ("match", "unsure", "mismatch", "repeat", "failed")}
    reason = next((name for name in ("mismatch", "repeat") if counts[name]), None)
    reason = reason or ("failed_photo" if counts["failed"] else None)
    if reason is None and not (counts["match"] and matched == orders):
        reason = "missing_item" if counts["match"] else "unsure"
    named = (" or ".join(sorted(expected, key=classes.index)) for expected in orders)
    return {
        "return_id": drawn.return_id,
        "ordered": ", ".join(sorted(named)) or None,
        "photos": len(found),
        "matching": counts["match"],
        "unsure": counts["unsure"],
        "mismatches": counts["mismatch"],
        "repeats": counts["repeat"],
        "unusable": 0,
        "refused": 0,
        "failed": counts["failed"],
        "final_decision": "cleared" if reason is None else "open",
        "reason": reason,
        "decided_by": "model" if reason is None else None,
    }


def _finding(photo: DrawnPhoto, ask: Ask) -> str:
    status, answer = ask(photo.content, photo.expected)
    if status != 200:
        return "failed"
    if photo.repeats:
        return "repeat"
    if photo.expected:
        return str(answer["match"]["verdict"])
    return "match" if answer["decision"] == "accept" else "unsure"


def _of_kind(return_id: str, kind: str, number: int, originals: list[bytes], artist: Artist) -> DrawnReturn:
    item = artist.item()
    word = ITEMS[item]
    if kind == "word":
        item, word = _WORDS[number % len(_WORDS)]
    elif kind == "unknown word":
        word = UNKNOWN_WORD
    shown = artist.other_item(item) if kind == "wrong" else item
    pairs = [(artist.photo(shown), word) for _ in range(2)]
    if kind == "mixed":
        pairs.append((artist.photo(artist.other_item(item)), word))
    elif kind == "two things":
        other = artist.other_item(item)
        second = artist.photo(other if number % 3 else item)  # of one return in three, the second thing is missing
        pairs.append((second, ITEMS[other]))
    elif kind == "right" and number % 5 == 0:
        pairs.append(pairs[0])  # the same file twice in one return repeats no other return
    if kind in ("copied", "saved again"):
        original = originals[number % len(originals)]
        copy = original if kind == "copied" else _saved_again(original)
        return _return(return_id, kind, [*pairs, (copy, word)], repeats=2)
    if kind == "unusable":
        broken = b"no photo at all" if number % 2 else pairs[1][0][: len(pairs[1][0]) // 2]
        pairs = [pairs[0], (broken, word)]
    return _return(return_id, kind, pairs)


def _return(return_id: str, kind: str, pairs: list[tuple[bytes, str]], repeats: int | None = None) -> DrawnReturn:
    photos = tuple(
        DrawnPhoto(f"{return_id}/{index}.jpg", content, word, _meaning(word), index == repeats)
        for index, (content, word) in enumerate(pairs)
    )
    return DrawnReturn(return_id, kind, photos)


def _meaning(word: str) -> tuple[str, ...]:
    if word == UNKNOWN_WORD:
        return ()
    return _MEANINGS.get(word, (word,))


def _saved_again(photo: bytes) -> bytes:
    with Image.open(io.BytesIO(photo)) as image:
        return encoded(image.resize((240, 320), Image.Resampling.BICUBIC), quality=70)


def _age(path: Path) -> None:
    moment = time.time() - _OLD
    os.utime(path, (moment, moment))
