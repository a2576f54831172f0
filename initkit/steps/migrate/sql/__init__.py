"""Applies SQL migrations: each with its row in the ledger; reading them is `db.sqlfiles`."""
