"""Bring the catalogues of web/translations up to date with the texts in the source of the desk.

New texts are added without a translation, texts that are gone are removed, and what is translated stays. A test fails
until every text is translated. Usage: python -m tools.translations
"""

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from web.translation import CATALOGUES, ENGLISH, LANGUAGES

WEB = Path(__file__).resolve().parent.parent / "web"
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
_OPTIONS = {"templates/**.html": {"silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}}
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
_WIDTH = 120
_HEADER = """# {name}: the texts of the desk, kept up to date by `python -m tools.translations`, translated by hand.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""


def main() -> None:
    """Write all catalogues, and say how many texts have no translation."""
    texts = extract()
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        known = read(language) if (CATALOGUES / f"{language}.po").exists() else Catalog(locale=language, fuzzy=False)
        known.update(texts, no_fuzzy_matching=True)
        known.obsolete.clear()
        write(language, known)
        missing = sum(not message.string or not all(message.string) for message in known if message.id)
        print(f"{language}: {len(known)} texts, {missing} without a translation")


def extract() -> Catalog:
    """Return the texts that the source marks, without translations."""
    texts = Catalog(fuzzy=False)
    found = extract_from_dir(str(WEB), _METHODS, _OPTIONS, _KEYWORDS)
    for _, _, message, comments, context in found:
        texts.add(message, auto_comments=comments, context=context)
    return texts


def read(language: str) -> Catalog:
    """Return the catalogue of a language."""
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def write(language: str, catalogue: Catalog) -> None:
    """Write the catalogue of a language, in an order that makes differences readable."""
    written = io.BytesIO()
    write_po(written, catalogue, width=_WIDTH, sort_output=True, no_location=True, omit_header=True)
    header = _HEADER.format(name=LANGUAGES[language], language=language)
    (CATALOGUES / f"{language}.po").write_bytes(header.encode() + written.getvalue())


if __name__ == "__main__":
    main()
