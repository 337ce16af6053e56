"""What all tables share: their names of keys and indexes, the type of ids, and which text can be stored."""

from sqlalchemy import BigInteger, Integer, MetaData

STORABLE_TEXT = r"^[^\x00]*$"  # a pattern; PostgreSQL refuses text with a zero in it

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of type INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")
