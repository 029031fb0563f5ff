"""Alembic's hook: runs the migrations on the connection that cambist.store.migrate hands over."""

from alembic import context

from cambist.store.console_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
