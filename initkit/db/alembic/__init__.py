"""Reads an alembic project without running a line of it: files, revisions, version table; upgrading is a step's."""
