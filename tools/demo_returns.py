"""The returns of the demo: made up, so that each case of the desk is there.

The answers are written by hand. Drawings teach nothing about the model.
"""

from dataclasses import dataclass, field

# What each drawing of samples/ shows, and what the model might take it for.
GUESSES = {
    "backpack": ("Backpacks", "Handbags", "Wallets"),
    "belt": ("Belts", "Watches", "Wallets"),
    "casual-shoe": ("Casual Shoes", "Sports Shoes", "Flats"),
    "dress": ("Dresses", "Tops", "Kurtas"),
    "handbag": ("Handbags", "Backpacks", "Wallets"),
    "heel": ("Heels", "Flats", "Sandals"),
    "jeans": ("Jeans", "Trousers", "Shorts"),
    "shorts": ("Shorts", "Trousers", "Briefs"),
    "socks": ("Socks", "Tops", "Briefs"),
    "sunglasses": ("Sunglasses", "Belts", "Watches"),
    "tshirt": ("Tshirts", "Tops", "Shirts"),
    "watch": ("Watches", "Belts", "Sunglasses"),
}


@dataclass(frozen=True)
class DemoPhoto:
    """One photo of a return.

    Attributes:
        drawing: a file of samples/, without its extension.
        variant: photos of the same drawing and variant have the same bytes.
        confidence: of the model in the category that the drawing shows.
        match: what the order check says; empty without an order.
        looks_like: another variant of the drawing with a similar picture; None if there is none.
        broken: the file ends too early.
        spot_check: accepted, and drawn for a person to look at.
        verdict: what a person said: a category, ``not_ours`` or ``unusable``; empty if nobody did.
    """

    drawing: str
    variant: int
    confidence: float = 0.97
    match: str = "match"
    looks_like: int | None = None
    broken: bool = False
    spot_check: bool = False
    verdict: str = ""


@dataclass(frozen=True)
class DemoReturn:
    """One return.

    Attributes:
        return_id: of the return; empty for photos without one.
        ordered: the category; empty if the order is not known.
        photos: of the return.
        nights_ago: when its photos came in.
        decision: of a person about the whole return: ``cleared`` or ``hold``; empty if nobody decided.
        reason: of a hold.
        note: of the decision.
        person: who decided about the return or its photos.
    """

    return_id: str
    ordered: str
    photos: list[DemoPhoto] = field(default_factory=list)
    nights_ago: int = 0
    decision: str = ""
    reason: str | None = None
    note: str | None = None
    person: str = "maria"


def _plain(number: int, drawing: str, nights_ago: int, **more: object) -> DemoReturn:
    """Return a return whose one photo shows what was ordered."""
    photo = DemoPhoto(drawing, number, 0.93 + (number * 7 % 60) / 1000, **more)  # type: ignore[arg-type]
    return DemoReturn(f"R-{1000 + number}", GUESSES[drawing][0], [photo], nights_ago)


_DRAWINGS = list(GUESSES)
_EARLIER = [_plain(number, _DRAWINGS[number % 12], 2 if number < 10 else 1) for number in range(20)]

RETURNS = (
    *_EARLIER,
    # Spot checks that a person decided: the model was right three times and wrong once.
    *(
        _plain(20 + n, name, 1, spot_check=True, verdict=GUESSES[name][0])
        for n, name in enumerate(("belt", "dress", "jeans"))
    ),
    _plain(23, "socks", 1, spot_check=True, verdict="Briefs"),
    # Match: cleared by the model.
    DemoReturn("R-2001", "Jeans", [DemoPhoto("jeans", 41), DemoPhoto("jeans", 42, 0.95)]),
    _plain(44, "watch", 0, spot_check=True),
    # Mismatch: something else came back.
    DemoReturn("R-2002", "Watches", [DemoPhoto("belt", 45, 0.96, "mismatch")]),
    DemoReturn("R-2003", "Handbags", [DemoPhoto("handbag", 46, 0.94), DemoPhoto("sunglasses", 47, 0.98, "mismatch")]),
    # Repeat: the picture of an earlier return, once the same file and once almost the same picture.
    DemoReturn("R-2004", "Casual Shoes", [DemoPhoto("casual-shoe", 2)]),
    DemoReturn("R-2005", "Heels", [DemoPhoto("heel", 48, looks_like=5)]),
    # Unsure, with an order and without.
    DemoReturn("R-2006", "Dresses", [DemoPhoto("dress", 49, 0.52, "unsure")]),
    DemoReturn("R-2007", "Tshirts", [DemoPhoto("tshirt", 50, 0.47, "unsure"), DemoPhoto("tshirt", 51, 0.61, "unsure")]),
    DemoReturn("R-2008", "", [DemoPhoto("shorts", 52, 0.55, "")]),
    DemoReturn("", "", [DemoPhoto("backpack", 53, 0.44, "")]),
    DemoReturn("", "", [DemoPhoto("socks", 54, 0.63, "")]),
    # Failed: an upload that ended too early.
    DemoReturn("R-2009", "Sunglasses", [DemoPhoto("sunglasses", 55, broken=True)]),
    DemoReturn("R-2010", "Belts", [DemoPhoto("belt", 56), DemoPhoto("belt", 57, broken=True)]),
    # Held and cleared by people.
    DemoReturn("R-2011", "Handbags", [DemoPhoto("handbag", 58)], 1, "hold", "damaged", "The strap is torn."),
    DemoReturn("R-2012", "Jeans", [DemoPhoto("shorts", 59, 0.71, "mismatch", verdict="Shorts")], 1, person="jon"),
    DemoReturn("R-2013", "Watches", [DemoPhoto("watch", 60, 0.58, "unsure", verdict="Watches")], 1, person="jon"),
    DemoReturn(
        "R-2014", "Tops", [DemoPhoto("tshirt", 61, 0.5, "unsure")], 1, "cleared", None, "The label says top.", "jon"
    ),
    DemoReturn("R-2015", "Heels", [DemoPhoto("heel", 62, 0.41, "unsure", verdict="unusable")], 1),
)
