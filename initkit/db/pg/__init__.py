"""What talking to PostgreSQL takes: hosts, login, refusals. The entrance is `initkit.db.postgres`."""
