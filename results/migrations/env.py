"""Alembic's entry: run the migrations on the connection that :mod:`results.database` holds open."""

from alembic import context

from results.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
