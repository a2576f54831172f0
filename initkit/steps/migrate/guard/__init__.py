"""Keeps migrations apart: the lock, whoever outlived its lock, poolers; what is migrated is not known here."""
