"""The desk's languages: every text of a translated page is in every catalogue, and pages are never half translated."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from jinja2 import nodes

from tests.conftest import ROOT
from tools.translations import extract, read
from web import translation
from web.auth.passwords import problem_with
from web.category_names import category_name
from web.http import rendering
from web.translation import ENGLISH, LANGUAGES, TRANSLATED, choose_language, gettext, ngettext, speaking

OTHERS = sorted(set(LANGUAGES) - {ENGLISH})
_MARKS = {"_", "gettext", "ngettext", "pgettext"}
_FRAME = {"base.html", "parts.html", "preferences.html"}
_PLACE = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("language", OTHERS)
def test_each_catalogue_is_complete(language: str) -> None:
    wanted = {(message.id, message.context) for message in extract() if message.id}
    catalogue = read(language)
    assert not catalogue.obsolete
    assert {(message.id, message.context) for message in catalogue if message.id} == wanted, (
        "python -m tools.translations"
    )
    for message in catalogue:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        assert message.pluralizable == isinstance(message.string, tuple), message.id
        forms = list(map(str, message.string)) if isinstance(message.string, tuple) else [str(message.string)]
        original = str(message.id[0] if isinstance(message.id, tuple) else message.id)
        assert len(forms) == (catalogue.num_plurals if message.pluralizable else 1), message.id
        for form in forms:
            assert form.strip(), message.id
            assert sorted(_PLACE.findall(form)) == sorted(_PLACE.findall(original)), message.id
            assert "<" not in form, "a translation holds no markup"


def test_the_catalogue_of_each_language_is_there_and_no_other() -> None:
    assert sorted(path.stem for path in translation.CATALOGUES.iterdir()) == OTHERS


@pytest.mark.parametrize("template", sorted(TRANSLATED | {"base.html", "preferences.html"}))
def test_a_translated_page_has_no_text_without_a_mark(template: str) -> None:
    source = (ROOT / "web" / "templates" / template).read_text(encoding="utf-8")
    assert unmarked(source) == []
    assert set(re.findall(r"{% (?:extends|from|include) \"([^\"]+)\"", source)) <= _FRAME


def unmarked(source: str) -> list[str]:
    """Return the texts of a template that a person reads and that no function translates."""
    tree = rendering.environment().parse(source)
    reader = Reader()
    reader.feed("".join(markup(tree)))
    reader.close()
    texts = [text.strip() for text in reader.texts if re.search(r"[A-Za-z]{2}", text.replace("UTC", ""))]
    return texts + [text for text in constants(tree) if re.search(r"^[A-Z][a-z]| ", text) and text != "light dark"]


class Reader(HTMLParser):
    """Collects what a person reads, or has read out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        shown = ("aria-label", "placeholder", "title", "alt")
        self.texts += [value for name, value in attributes if name in shown and value]


def markup(node: nodes.Node) -> Iterator[str]:
    """Yield the markup of all branches of a template, with a digit in place of each expression."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield child.data
        elif isinstance(node, nodes.Output):
            yield "0"
        else:
            yield from markup(child)


def constants(node: nodes.Node, is_marked: bool = False) -> Iterator[str]:
    """Yield the texts in the expressions of a template, but for those that a function translates."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and not is_marked:
        yield node.value
    is_mark = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in _MARKS
    for child in node.iter_child_nodes():
        yield from constants(child, is_marked or is_mark)


def test_unmarked_texts_are_found() -> None:
    unseen = ["<p>Hello</p>", '<p aria-label="Pages">', "{{ 'Yes' if x else _('No') }}", "{{ x }} is here"]
    assert [text for text in unseen if not unmarked(text)] == []
    fine = [
        "<p class='quiet'>{{ _('Hello') }}</p>",
        "<a{% if x %} aria-current='page'{% endif %}>",
        "{{ x }} → {{ y }}",
    ]
    assert [text for text in fine if unmarked(text)] == []


def test_each_category_has_a_name_in_each_language() -> None:
    classes = json.loads((ROOT / "model" / "contract.json").read_text(encoding="utf-8"))["classes"]
    for language in OTHERS:
        with speaking(language):
            names = [category_name(name) for name in classes]
        assert len(set(names)) == len(classes), "two categories have one name"
        assert sum(name != original for name, original in zip(names, classes, strict=True)) >= 20
    assert [category_name(name) for name in (*classes, "Umbrellas")] == [*classes, "Umbrellas"]


def test_texts_with_numbers_follow_the_rules_of_the_language() -> None:
    texts = ("%(count)s recovery code is left.", "%(count)s recovery codes are left.")

    def said(language: str) -> list[str]:
        with speaking(language):
            return [ngettext(*texts, number) % {"count": number} for number in (1, 2, 5)]

    assert said("pl") == ["Został 1 kod zapasowy.", "Zostały 2 kody zapasowe.", "Zostało 5 kodów zapasowych."]
    assert said(ENGLISH)[0] == "1 recovery code is left."


def test_messages_of_the_accounts_are_translated_too() -> None:
    with speaking("de"):
        assert problem_with("kurz", "ada") == "Das Passwort muss 12 bis 1\u202f000 Zeichen haben."
        assert gettext("Log in") == "Anmelden"
        with speaking(ENGLISH):
            assert gettext("Log in") == "Log in"
    assert gettext("Log in") == "Log in"


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "nl,en;q=0.5,fr;q=0.7", "fr"),
        (None, "de;q=0,pl;q=0.1", "pl"),
        (None, "nl", "en"),
        (None, "de;q=much, es", "es"),
        ("pl", "de", "pl"),
        ("xx", "de", "de"),
        ("../etc", "", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browsers(chosen: str | None, accepted: str, language: str) -> None:
    assert choose_language(chosen, accepted) == language
