"""The views that readers of the database rely on; the migrations hold their SQL."""

from sqlalchemy import column, table

from results.schema import RETURN_COUNTS

# One row for each classified photo, with the prediction that counts: the newest of the model in use.
PREDICTION_COLUMNS = (
    "photo_id",
    "filename",
    "predicted_class",
    "confidence",
    "timestamp",
    "decision",
    "reason",
    "model_version",
    "contract_version",
    "run_id",
    "sha256",
    "top3",
    "source",
    "return_id",
    "expected_category",
    "mismatch",
    "repeat_of",
    "repeat_kind",
    "reused",
    "match_probability",
    "match_verdict",
)
predictions = table("predictions", *(column(name) for name in PREDICTION_COLUMNS))

# What counts in the end for a photo: a person's verdict before the model's.
FINAL_COLUMNS = (
    "final_category",
    "final_decision",  # cleared, hold, open
    "decided_by",
    "decided_at",
    "note",
)

# One row for each photo, failed ones included.
OUTCOME_COLUMNS = (
    *PREDICTION_COLUMNS,
    "shop_category",
    "product_photo",
    "status",
    "error_code",
    "created_at",
    "finding",  # match, unsure, mismatch, repeat, unusable, refused, failed: what the photo says about its return
    *FINAL_COLUMNS,
)
outcomes = table("outcomes", *(column(name) for name in OUTCOME_COLUMNS))

# One row for each return.
RETURN_COLUMNS = (
    "return_key",
    "return_id",
    "ordered",
    *RETURN_COUNTS,
    "final_decision",
    "reason",
    "decided_by",
    "decided_at",
    "note",
    "first_seen",
    "newest_photo_at",
    "flagged",  # 1 if a person marked it
    "asked_by",
    "asked_at",
)
returns = table("returns", *(column(name) for name in RETURN_COLUMNS))
