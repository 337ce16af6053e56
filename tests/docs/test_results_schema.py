"""The page on the results names every column of the view and the tables that readers may rely on."""

import re

import pytest
from sqlalchemy import FromClause

from results import schema, views
from tests.conftest import ROOT
from tests.support.documents import page, section

VIEWS = (views.predictions, views.outcomes, views.returns)
TABLES = (
    schema.predictions_history,
    schema.photos,
    schema.reviews,
    schema.runs,
    schema.decision_rules,
    schema.product_photos,
)


@pytest.mark.parametrize("table", [*VIEWS, *TABLES], ids=lambda table: table.name)
def test_every_public_column_is_in_the_section_of_its_table(table: FromClause) -> None:
    name = str(table.description)
    text = section(page("results-schema"), f"{'View' if table in VIEWS else 'Table'} `{name}`")
    named = set(re.findall(r"`(\w+)`", text))
    if "all columns of `predictions`" in text:
        named |= set(views.PREDICTION_COLUMNS)
    assert {column.name for column in table.columns} - named == set()


def test_each_migration_follows_one_other() -> None:
    files = sorted((ROOT / "results" / "migrations" / "versions").glob("*.py"))
    pattern = re.compile(r'^(revision|down_revision) = "?(\w+)"?$', re.MULTILINE)
    found = [dict(pattern.findall(path.read_text(encoding="utf-8"))) for path in files]
    numbers = [path.name[:4] for path in files]
    assert [entry["revision"] for entry in found] == numbers
    assert [entry["down_revision"] for entry in found] == ["None", *numbers[:-1]]
