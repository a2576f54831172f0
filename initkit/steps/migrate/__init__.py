"""Brings a database's schema to the revision that the mounted migrations end in: once, whoever else tries as well."""
