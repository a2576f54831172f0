"""Runs somebody's alembic, in a child process of its own; reading a project without running it: see `db.alembic`."""
