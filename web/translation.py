"""The languages of the desk: which one a request is answered in, and what its catalogue says.

Only the pages of :data:`TRANSLATED` are translated. A page that is not stays English as a whole, its frame included.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from web.settings import Role

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "de": "Deutsch", "es": "Español", "fr": "Français", "pl": "Polski"}
CATALOGUES = Path(__file__).resolve().parent / "translations"
# Templates all of whose text is marked; tests/unit/test_translations.py holds them to it.
TRANSLATED = frozenset(
    {
        "account.html",
        "audit.html",
        "login.html",
        "login_code.html",
        "people.html",
        "person.html",
        "second_factor.html",
    }
)

_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def current_language() -> str:
    """Return the language in which texts are given at this moment."""
    return _language.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Give texts in a language of :data:`LANGUAGES`; for this request, not for others that run beside it."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def choose_language(chosen: str | None, accepted: str) -> str:
    """Return the language for a reader.

    Args:
        chosen: by the switch; anything else than a known language does not count.
        accepted: the header ``Accept-Language``: languages, each with a weight from 0 to 1.
    """
    if chosen in LANGUAGES:
        return chosen
    weighted = []
    for place, entry in enumerate(accepted.split(",")):
        name, _, weight = entry.strip().partition(";q=")
        try:
            weighted.append((-float(weight or 1), place, name.strip().split("-")[0].lower()))
        except ValueError:
            continue
    known = (name for weight, _, name in sorted(weighted) if name in LANGUAGES and weight < 0)
    return next(known, ENGLISH)


def gettext(message: str) -> str:
    """Translate a text of the desk."""
    return catalogue(current_language()).gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    """Translate a text that depends on a number."""
    return catalogue(current_language()).ngettext(one, many, number)


def pgettext(context: str, message: str) -> str:
    """Translate a text that means something else in another context."""
    return str(catalogue(current_language()).pgettext(context, message))


def number(value: int) -> str:
    """Write a number with groups of three digits, as the language does."""
    return f"{value:,}" if current_language() == ENGLISH else f"{value:,}".replace(",", "\u202f")


def role_name(role: Role) -> str:
    """Return what a role is called."""
    return {"viewer": gettext("viewer"), "reviewer": gettext("reviewer"), "admin": gettext("admin")}[role]


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the texts of a language."""
    if language == ENGLISH:
        return NullTranslations()
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        texts = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    return Translations(compiled)
