"""The page on the results names every column of the view and the tables that readers may rely on."""

import re

import pytest
from sqlalchemy import FromClause

from results import schema, views
from tests.support.documents import page, section

VIEWS = (views.predictions, views.outcomes, views.returns)
TABLES = (schema.predictions_history, schema.photos, schema.reviews, schema.runs, schema.decision_rules)


@pytest.mark.parametrize("table", [*VIEWS, *TABLES], ids=lambda table: table.name)
def test_every_public_column_is_in_the_section_of_its_table(table: FromClause) -> None:
    name = str(table.description)
    text = section(page("results-schema"), f"{'View' if table in VIEWS else 'Table'} `{name}`")
    named = set(re.findall(r"`(\w+)`", text))
    if "all columns of `predictions`" in text:
        named |= set(views.PREDICTION_COLUMNS)
    assert {column.name for column in table.columns} - named == set()
