"""What the categories of the model are called in the reader's language."""

from web.translation import pgettext


def category_name(category: str) -> str:
    """Return the name of a category; a category of another model keeps its own."""
    return _names().get(category, category)


def _names() -> dict[str, str]:
    return {
        "Backpacks": pgettext("category", "Backpacks"),
        "Belts": pgettext("category", "Belts"),
        "Bra": pgettext("category", "Bra"),
        "Briefs": pgettext("category", "Briefs"),
        "Casual Shoes": pgettext("category", "Casual Shoes"),
        "Dresses": pgettext("category", "Dresses"),
        "Earrings": pgettext("category", "Earrings"),
        "Flats": pgettext("category", "Flats"),
        "Flip Flops": pgettext("category", "Flip Flops"),
        "Formal Shoes": pgettext("category", "Formal Shoes"),
        "Handbags": pgettext("category", "Handbags"),
        "Heels": pgettext("category", "Heels"),
        "Jeans": pgettext("category", "Jeans"),
        "Kurtas": pgettext("category", "Kurtas"),
        "Perfume and Body Mist": pgettext("category", "Perfume and Body Mist"),
        "Sandals": pgettext("category", "Sandals"),
        "Sarees": pgettext("category", "Sarees"),
        "Shirts": pgettext("category", "Shirts"),
        "Shorts": pgettext("category", "Shorts"),
        "Socks": pgettext("category", "Socks"),
        "Sports Shoes": pgettext("category", "Sports Shoes"),
        "Sunglasses": pgettext("category", "Sunglasses"),
        "Tops": pgettext("category", "Tops"),
        "Trousers": pgettext("category", "Trousers"),
        "Tshirts": pgettext("category", "Tshirts"),
        "Wallets": pgettext("category", "Wallets"),
        "Watches": pgettext("category", "Watches"),
    }
