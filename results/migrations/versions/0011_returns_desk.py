"""The returns desk: the queue of returns, notes, flags and questions on returns, and verdicts about repeats.

A category that a person names no longer settles a repeat; a verdict about the repeat does. A category that was named
before this migration counts as "another item", so that no return changes its state.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_COLUMNS = """
    photos.id AS photo_id,
    photos.filename AS filename,
    shown.predicted_class AS predicted_class,
    shown.confidence AS confidence,
    shown.timestamp AS timestamp,
    shown.decision AS decision,
    shown.reason AS reason,
    shown.model_version AS model_version,
    shown.contract_version AS contract_version,
    shown.run_id AS run_id,
    photos.sha256 AS sha256,
    shown.top3 AS top3,
    photos.source AS source,
    NULLIF(photos.return_id, '') AS return_id,
    photos.expected_category AS expected_category,
    {mismatch} AS mismatch,
    photos.repeat_of AS repeat_of,
    photos.repeat_kind AS repeat_kind,
    CASE WHEN shown.reused THEN 1 ELSE 0 END AS reused,
    shown.match_probability AS match_probability,
    shown.match_verdict AS match_verdict"""
_SHOWN = """predictions_history AS shown ON shown.id = (
    SELECT MAX(answers.id) FROM predictions_history AS answers WHERE answers.photo_id = photos.id
        AND answers.model_version = photos.model_version AND answers.contract_version = photos.contract_version
)"""
_MISMATCH = """CASE
        WHEN photos.expected_category IS NULL OR shown.id IS NULL THEN NULL
        WHEN shown.match_verdict IS NOT NULL THEN CASE WHEN shown.match_verdict = 'mismatch' THEN 1 ELSE 0 END
        WHEN ('|' || photos.expected_category || '|') NOT LIKE ('%|' || shown.predicted_class || '|%') THEN 1
        ELSE 0
    END"""
_STANDING = """reviews AS verdicts ON verdicts.photo_id = photos.id AND verdicts.verdict <> 'undone'
    AND NOT EXISTS (SELECT 1 FROM reviews AS undo WHERE undo.undoes = verdicts.id)"""
_REPEATS = """EXISTS (
            SELECT 1 FROM photos AS earlier WHERE earlier.id = photos.repeat_of
            AND (photos.return_id = '' OR earlier.return_id <> photos.return_id)
        )"""
_ANOTHER_ITEM = """EXISTS (
            SELECT 1 FROM repeat_verdicts AS told
            WHERE told.photo_id = photos.id AND told.earlier_id = photos.repeat_of AND told.verdict = 'another_item'
            AND NOT EXISTS (SELECT 1 FROM repeat_verdicts AS untold WHERE untold.undoes = told.id)
        )"""
_REFUSED = """WHEN verdicts.verdict = 'unusable' THEN 'unusable'
        WHEN verdicts.verdict = 'not_ours' THEN 'refused'
        WHEN ('|' || photos.expected_category || '|') NOT LIKE ('%|' || verdicts.to_class || '|%') THEN 'refused'"""
_OLD_FINDING = f"""CASE
        {_REFUSED}
        WHEN verdicts.id IS NOT NULL THEN 'match'
        WHEN photos.status = 'failed' THEN 'failed'
        WHEN {_REPEATS} THEN 'repeat'
        WHEN {_MISMATCH} = 1 THEN 'mismatch'
        WHEN shown.decision = 'accept' THEN 'match'
        ELSE 'unsure'
    END"""
_FINDING = f"""CASE
        {_REFUSED}
        WHEN photos.status = 'failed' AND verdicts.id IS NULL THEN 'failed'
        WHEN {_REPEATS} AND NOT {_ANOTHER_ITEM} THEN 'repeat'
        WHEN verdicts.id IS NOT NULL THEN 'match'
        WHEN {_MISMATCH} = 1 THEN 'mismatch'
        WHEN shown.decision = 'accept' THEN 'match'
        ELSE 'unsure'
    END"""
_RETURNS = """
CREATE VIEW returns AS
SELECT
    return_key, return_id, ordered, photos, matching, unsure, mismatches, repeats, unusable, refused, failed,
    final_decision, reason, decided_by, decided_at, note, first_seen, newest_photo_at{more}
FROM return_states
"""
_SETTLED = f"""
INSERT INTO repeat_verdicts (photo_id, earlier_id, verdict, person, created_at)
SELECT photos.id, photos.repeat_of, 'another_item', verdicts.reviewer, verdicts.created_at
FROM photos JOIN {_STANDING} AND verdicts.to_class IS NOT NULL
WHERE photos.repeat_of IS NOT NULL
"""  # noqa: S608  # our own names
_FILL = """
INSERT INTO return_queue (return_key, kind, first_seen, asked, category, run_id)
SELECT
    states.return_key,
    MIN(CASE WHEN states.mismatches > 0 THEN 0 WHEN states.repeats > 0 THEN 1 ELSE 2 END),
    MIN(states.first_seen), 0,
    MAX(CASE WHEN outcomes.finding IN ('mismatch', 'repeat', 'unsure') THEN outcomes.predicted_class END),
    MAX(outcomes.run_id)
FROM return_states AS states
JOIN photos ON {which}
JOIN outcomes ON outcomes.photo_id = photos.id
WHERE states.final_decision = 'open' AND {wanted}
GROUP BY states.return_key
"""


def upgrade() -> None:
    """Add the tables and columns, change the views, and fill the queue from the states of the returns."""
    for view in ("returns", "outcomes"):
        op.execute(f"DROP VIEW {view}")
    op.add_column("return_states", sa.Column("flagged", sa.Integer, nullable=False, server_default="0"))
    op.add_column("return_states", sa.Column("asked_by", sa.Text))
    op.add_column("return_states", sa.Column("asked_at", sa.Text))
    for mark, condition in (("flagged", sa.text("flagged = 1")), ("noted", sa.text("note IS NOT NULL"))):
        name = f"ix_return_states_{mark}"
        op.create_index(name, "return_states", ["changed_at"], sqlite_where=condition, postgresql_where=condition)
    op.add_column("review_queue", sa.Column("by_itself", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_review_queue_by_itself_place_photo_id", "review_queue", ["by_itself", "place", "photo_id"])
    _create_return_events()
    _create_repeat_verdicts()
    _create_return_queue()
    op.execute(_outcomes(_FINDING))
    op.execute(_RETURNS.format(more=", flagged, asked_by, asked_at"))
    _fill()


def downgrade() -> None:
    """Remove what came; notes, flags, questions and verdicts about repeats are lost."""
    for view in ("returns", "outcomes"):
        op.execute(f"DROP VIEW {view}")
    for table in ("return_queue", "repeat_verdicts", "return_events"):
        op.drop_table(table)
    op.drop_index("ix_review_queue_by_itself_place_photo_id", "review_queue")
    op.drop_column("review_queue", "by_itself")
    for name in ("noted", "flagged"):
        op.drop_index(f"ix_return_states_{name}", "return_states")
    for name in ("asked_at", "asked_by", "flagged"):
        op.drop_column("return_states", name)
    op.execute(_outcomes(_OLD_FINDING))
    op.execute(_RETURNS.format(more=""))


def _outcomes(finding: str) -> str:
    return f"""
CREATE VIEW outcomes AS
SELECT{_COLUMNS.format(mismatch=_MISMATCH)},
    photos.shop_category AS shop_category,
    photos.product_photo AS product_photo,
    photos.status AS status,
    photos.error_code AS error_code,
    photos.created_at AS created_at,
    {finding} AS finding,
    CASE WHEN verdicts.id IS NULL THEN shown.predicted_class ELSE verdicts.to_class END AS final_category,
    CASE {finding} WHEN 'match' THEN 'cleared' WHEN 'refused' THEN 'hold' ELSE 'open' END AS final_decision,
    CASE
        WHEN verdicts.id IS NOT NULL THEN verdicts.reviewer
        WHEN {finding} = 'match' THEN 'model'
    END AS decided_by,
    CASE
        WHEN verdicts.id IS NOT NULL THEN verdicts.created_at
        WHEN {finding} = 'match' THEN shown.timestamp
    END AS decided_at,
    verdicts.note AS note
FROM photos
LEFT JOIN {_SHOWN}
LEFT JOIN {_STANDING}
"""  # our own names


def _create_return_events() -> None:
    op.create_table(
        "return_events",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("return_key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('note', 'flagged', 'unflagged', 'asked', 'withdrawn')", name="kind"),
    )
    op.create_index("ix_return_events_return_key_id", "return_events", ["return_key", "id"])
    op.create_index("ix_return_events_person_return_key", "return_events", ["person", "return_key"])


def _create_repeat_verdicts() -> None:
    op.create_table(
        "repeat_verdicts",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("photo_id", _Id, sa.ForeignKey("photos.id"), nullable=False),
        sa.Column("earlier_id", _Id, sa.ForeignKey("photos.id"), nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("undoes", _Id, sa.ForeignKey("repeat_verdicts.id")),
        sa.CheckConstraint("verdict IN ('same_item', 'another_item', 'undone')", name="verdict"),
    )
    for name in ("photo_id", "earlier_id", "undoes"):
        op.create_index(f"ix_repeat_verdicts_{name}", "repeat_verdicts", [name])


def _create_return_queue() -> None:
    op.create_table(
        "return_queue",
        sa.Column("return_key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("run_id", _Id),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", sa.Text),
    )
    for columns in (["asked", "kind", "first_seen", "return_key"], ["category"], ["run_id"], ["claimed_by"]):
        op.create_index(f"ix_return_queue_{'_'.join(columns)}", "return_queue", columns)


def _fill() -> None:
    op.execute(_SETTLED)
    op.execute(
        "UPDATE review_queue SET by_itself = true WHERE EXISTS (SELECT 1 FROM photos "
        "WHERE photos.id = review_queue.photo_id AND photos.return_id = '' AND photos.repeat_of IS NULL) "
        "OR EXISTS (SELECT 1 FROM predictions_history AS shown "
        "WHERE shown.id = review_queue.prediction_id AND shown.audit)"
    )
    op.execute(_FILL.format(which="photos.return_id = states.return_id", wanted="states.return_id IS NOT NULL"))
    number = "CAST(SUBSTR(states.return_key, 3) AS BIGINT)"
    wanted = "states.return_id IS NULL AND states.reason = 'repeat'"
    op.execute(_FILL.format(which=f"photos.id = {number}", wanted=wanted))
