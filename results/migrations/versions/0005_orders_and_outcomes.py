"""The order check, what counts in the end for each photo, and the state of each return.

``mismatch`` in the view ``predictions`` used to mean "the prediction is another category". It now means that the order
check called the photo a mismatch. Rows that were stored before the order check existed keep what they said.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

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
    CASE WHEN shown.reused THEN 1 ELSE 0 END AS reused"""
_MORE_COLUMNS = """,
    shown.match_probability AS match_probability,
    shown.match_verdict AS match_verdict"""
# The prediction that counts: the newest of the model that the photo's latest run asked.
_SHOWN = """predictions_history AS shown ON shown.id = (
    SELECT MAX(answers.id) FROM predictions_history AS answers WHERE answers.photo_id = photos.id
        AND answers.model_version = photos.model_version AND answers.contract_version = photos.contract_version
)"""
_OLD_MISMATCH = """CASE
        WHEN photos.expected_category IS NULL THEN NULL
        WHEN photos.expected_category <> shown.predicted_class THEN 1
        ELSE 0
    END"""
_MISMATCH = """CASE
        WHEN photos.expected_category IS NULL OR shown.id IS NULL THEN NULL
        WHEN shown.match_verdict IS NOT NULL THEN CASE WHEN shown.match_verdict = 'mismatch' THEN 1 ELSE 0 END
        WHEN ('|' || photos.expected_category || '|') NOT LIKE ('%|' || shown.predicted_class || '|%') THEN 1
        ELSE 0
    END"""
# At most one verdict of a photo stands, because the desk refuses a second one.
_STANDING = """reviews AS verdicts ON verdicts.photo_id = photos.id AND verdicts.verdict <> 'undone'
    AND NOT EXISTS (SELECT 1 FROM reviews AS undo WHERE undo.undoes = verdicts.id)"""
# What one photo says about its return. A person's verdict wins over the model's.
_FINDING = f"""CASE
        WHEN verdicts.verdict = 'unusable' THEN 'unusable'
        WHEN verdicts.verdict = 'not_ours' THEN 'refused'
        WHEN ('|' || photos.expected_category || '|') NOT LIKE ('%|' || verdicts.to_class || '|%') THEN 'refused'
        WHEN verdicts.id IS NOT NULL THEN 'match'
        WHEN photos.status = 'failed' THEN 'failed'
        WHEN EXISTS (
            SELECT 1 FROM photos AS earlier WHERE earlier.id = photos.repeat_of
            AND (photos.return_id = '' OR earlier.return_id <> photos.return_id)
        ) THEN 'repeat'
        WHEN {_MISMATCH} = 1 THEN 'mismatch'
        WHEN shown.decision = 'accept' THEN 'match'
        ELSE 'unsure'
    END"""  # noqa: S608  # our own names
_OUTCOMES = f"""
CREATE VIEW outcomes AS
SELECT{_COLUMNS.format(mismatch=_MISMATCH)}{_MORE_COLUMNS},
    photos.shop_category AS shop_category,
    photos.product_photo AS product_photo,
    photos.status AS status,
    photos.error_code AS error_code,
    photos.created_at AS created_at,
    {_FINDING} AS finding,
    CASE WHEN verdicts.id IS NULL THEN shown.predicted_class ELSE verdicts.to_class END AS final_category,
    CASE {_FINDING} WHEN 'match' THEN 'cleared' WHEN 'refused' THEN 'hold' ELSE 'open' END AS final_decision,
    CASE
        WHEN verdicts.id IS NOT NULL THEN verdicts.reviewer
        WHEN {_FINDING} = 'match' THEN 'model'
    END AS decided_by,
    CASE
        WHEN verdicts.id IS NOT NULL THEN verdicts.created_at
        WHEN {_FINDING} = 'match' THEN shown.timestamp
    END AS decided_at,
    verdicts.note AS note
FROM photos
LEFT JOIN {_SHOWN}
LEFT JOIN {_STANDING}
"""  # our own names
_RETURNS = """
CREATE VIEW returns AS
SELECT
    return_key, return_id, ordered, photos, matching, unsure, mismatches, repeats, unusable, refused, failed,
    final_decision, reason, decided_by, decided_at, note, first_seen, newest_photo_at
FROM return_states
"""

_KEY = "COALESCE('r:' || return_id, 'p:' || photo_id)"
_FILL = f"""
INSERT INTO return_states (
    return_key, return_id, ordered, photos, matching, unsure, mismatches, repeats, unusable, refused, failed,
    final_decision, reason, decided_by, decided_at, first_seen, newest_photo_at, changed_at
)
SELECT
    return_key, return_id, ordered, photos, matching, unsure, mismatches, repeats, unusable, refused, failed,
    CASE
        WHEN refused > 0 THEN 'hold'
        WHEN mismatches + repeats + failed = 0 AND matching > 0 AND matched_orders = orders THEN 'cleared'
        ELSE 'open'
    END,
    CASE
        WHEN refused > 0 THEN 'not_what_was_ordered'
        WHEN mismatches > 0 THEN 'mismatch'
        WHEN repeats > 0 THEN 'repeat'
        WHEN failed > 0 THEN 'failed_photo'
        WHEN matching > 0 AND matched_orders = orders THEN NULL
        WHEN matching > 0 THEN 'missing_item'
        WHEN unsure = 0 THEN 'unusable_photos'
        ELSE 'unsure'
    END,
    CASE
        WHEN refused > 0 THEN refused_by
        WHEN mismatches + repeats + failed = 0 AND matching > 0 AND matched_orders = orders
        THEN COALESCE(matched_by, 'model')
    END,
    CASE
        WHEN refused > 0 THEN refused_at
        WHEN mismatches + repeats + failed = 0 AND matching > 0 AND matched_orders = orders THEN matched_at
    END,
    first_seen, newest_photo_at, newest_photo_at
FROM (
    SELECT
        {_KEY} AS return_key, MAX(return_id) AS return_id, {{ordered}} AS ordered, COUNT(*) AS photos,
        SUM(CASE WHEN finding = 'match' THEN 1 ELSE 0 END) AS matching,
        SUM(CASE WHEN finding = 'unsure' THEN 1 ELSE 0 END) AS unsure,
        SUM(CASE WHEN finding = 'mismatch' THEN 1 ELSE 0 END) AS mismatches,
        SUM(CASE WHEN finding = 'repeat' THEN 1 ELSE 0 END) AS repeats,
        SUM(CASE WHEN finding = 'unusable' THEN 1 ELSE 0 END) AS unusable,
        SUM(CASE WHEN finding = 'refused' THEN 1 ELSE 0 END) AS refused,
        SUM(CASE WHEN finding = 'failed' THEN 1 ELSE 0 END) AS failed,
        COUNT(DISTINCT expected_category) AS orders,
        COUNT(DISTINCT CASE WHEN finding = 'match' THEN expected_category END) AS matched_orders,
        MAX(CASE WHEN finding = 'refused' THEN decided_by END) AS refused_by,
        MAX(CASE WHEN finding = 'refused' THEN decided_at END) AS refused_at,
        MAX(CASE WHEN finding = 'match' AND decided_by <> 'model' THEN decided_by END) AS matched_by,
        MAX(CASE WHEN finding = 'match' THEN decided_at END) AS matched_at,
        MIN(created_at) AS first_seen, MAX(created_at) AS newest_photo_at
    FROM outcomes GROUP BY {_KEY}
) AS counted
"""  # noqa: S608  # our own names


def upgrade() -> None:
    """Add the columns, tables and views, and compute the state of the returns that are stored."""
    op.execute("DROP VIEW predictions")
    for name in ("shop_category", "product_photo"):
        op.add_column("photos", sa.Column(name, sa.Text))
    op.add_column("predictions_history", sa.Column("probabilities", sa.LargeBinary))
    op.add_column("predictions_history", sa.Column("match_probability", sa.Float))
    op.execute(
        "ALTER TABLE predictions_history ADD COLUMN match_verdict TEXT CONSTRAINT ck_predictions_history_match_verdict "
        "CHECK (match_verdict IN ('match', 'unsure', 'mismatch'))"
    )
    op.add_column("reviews", sa.Column("note", sa.Text))
    _create_decision_changes()
    _create_return_decisions()
    _create_return_states()
    _create_outbox()
    op.execute(f"CREATE VIEW predictions AS SELECT{_columns(new=True)} FROM photos JOIN {_SHOWN} {_CLASSIFIED}")
    op.execute(_OUTCOMES)
    op.execute(_RETURNS)
    _fill_return_states()


def downgrade() -> None:
    """Remove what came; decisions on returns and the order check's answers are lost."""
    for view in ("returns", "outcomes", "predictions"):
        op.execute(f"DROP VIEW {view}")
    for table in ("outbox", "return_states", "return_decisions", "decision_changes"):
        op.drop_table(table)
    op.drop_column("reviews", "note")
    for name in ("match_verdict", "match_probability", "probabilities"):
        op.drop_column("predictions_history", name)
    for name in ("product_photo", "shop_category"):
        op.drop_column("photos", name)
    op.execute(f"CREATE VIEW predictions AS SELECT{_columns(new=False)} FROM photos JOIN {_SHOWN} {_CLASSIFIED}")


_CLASSIFIED = "WHERE photos.status = 'classified'"


def _columns(new: bool) -> str:
    mismatch = _MISMATCH if new else _OLD_MISMATCH
    return _COLUMNS.format(mismatch=mismatch) + (_MORE_COLUMNS if new else "")


def _create_decision_changes() -> None:
    op.create_table(
        "decision_changes",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", _Id, sa.ForeignKey("predictions_history.id"), nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("was", sa.Text, nullable=False),
        sa.CheckConstraint("cause IN ('manifest', 'threshold')", name="cause"),
    )
    op.create_index("ix_decision_changes_prediction_id", "decision_changes", ["prediction_id"])


def _create_return_decisions() -> None:
    op.create_table(
        "return_decisions",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("return_key", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.Text, nullable=False),
        sa.Column("undoes", _Id, sa.ForeignKey("return_decisions.id")),
        sa.CheckConstraint("decision IN ('cleared', 'hold', 'undone')", name="decision"),
    )
    op.create_index("ix_return_decisions_return_key_id", "return_decisions", ["return_key", "id"])
    op.create_index("ix_return_decisions_undoes", "return_decisions", ["undoes"])


def _create_return_states() -> None:
    counts = ("photos", "matching", "unsure", "mismatches", "repeats", "unusable", "refused", "failed")
    op.create_table(
        "return_states",
        sa.Column("return_key", sa.Text, primary_key=True),
        sa.Column("return_id", sa.Text),
        sa.Column("ordered", sa.Text),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        sa.Column("final_decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("newest_photo_at", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.CheckConstraint("final_decision IN ('cleared', 'hold', 'open')", name="final_decision"),
    )
    for columns in (["return_id"], ["final_decision", "changed_at", "return_key"], ["changed_at", "return_key"]):
        op.create_index(f"ix_return_states_{'_'.join(columns)}", "return_states", columns)


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("return_key", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", sa.Text, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.UniqueConstraint("event_id"),
    )
    op.create_index("ix_outbox_next_attempt_at_id", "outbox", ["next_attempt_at", "id"])


def _fill_return_states() -> None:
    """Compute the states by the rule of results/returns.py as it was when this migration was written.

    No decision on a whole return exists yet.
    """
    # Before this migration an order named one category, but the lines of a return could name several.
    is_postgresql = op.get_context().dialect.name == "postgresql"
    names = (
        "string_agg(DISTINCT expected_category, ',')" if is_postgresql else "group_concat(DISTINCT expected_category)"
    )
    op.execute(_FILL.format(ordered=names))
    states = sa.table("return_states", sa.column("return_key"), sa.column("ordered"))
    several = op.get_bind().execute(sa.select(states).where(states.c.ordered.like("%,%"))).all()
    for key, ordered in several:  # the engines differ in their order
        values = {"ordered": ", ".join(sorted(ordered.split(",")))}
        op.get_bind().execute(sa.update(states).where(states.c.return_key == key).values(**values))
