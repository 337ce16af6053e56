"""The 27 category names, and the check that a label is one of them."""

import difflib

UNKNOWN = "unknown"  # the label of an item outside the 27
CLASSES = (
    "Sports Shoes",
    "Shorts",
    "Handbags",
    "Watches",
    "Casual Shoes",
    "Tshirts",
    "Wallets",
    "Jeans",
    "Socks",
    "Dresses",
    "Shirts",
    "Heels",
    "Earrings",
    "Formal Shoes",
    "Briefs",
    "Sunglasses",
    "Sarees",
    "Kurtas",
    "Trousers",
    "Flip Flops",
    "Sandals",
    "Tops",
    "Perfume and Body Mist",
    "Backpacks",
    "Belts",
    "Bra",
    "Flats",
)
OUTPUTS = len(CLASSES) + 1  # the network's logits: one for each class, then the outlier logit


def checked_category(name: str, where: str) -> str:
    """Return a label unchanged if it is one of the 27 or ``unknown``.

    Args:
        name: the label.
        where: the place of the label, for the message.

    Raises:
        ValueError: it is neither; the message names the place and the closest category.
    """
    known = (*CLASSES, UNKNOWN)
    if name in known:
        return name
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    remedy = f"did you mean {folded[close[0]]!r}?" if close else f"they are: {', '.join(known)}"
    raise ValueError(f"{where}: {name!r} is none of the categories; {remedy}")


def checked_categories(names: str, where: str) -> tuple[str, ...]:
    """Return the accepted categories from a text that separates them by ``;``.

    Args:
        names: the text; empty where no prediction can be judged.
        where: the place of the text, for the message.

    Raises:
        ValueError: a name is not a category (see :func:`checked_category`), or ``unknown`` stands beside a category.
    """
    accepts = tuple(checked_category(name.strip(), where) for name in names.split(";") if name.strip())
    if UNKNOWN in accepts and len(accepts) > 1:
        raise ValueError(f"{where}: an item is unknown or one of the categories, not {' and '.join(accepts)}")
    return accepts
