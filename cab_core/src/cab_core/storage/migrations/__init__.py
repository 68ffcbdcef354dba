"""Numbered migration scripts of the database, run by alembic."""
