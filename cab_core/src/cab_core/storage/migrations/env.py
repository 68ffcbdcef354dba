"""Entry point of alembic: runs the scripts on the connection that `cab_core.storage.migrate` hands over."""

from __future__ import annotations

from alembic import context

from cab_core.storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
