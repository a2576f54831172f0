"""Seed data into tables: which files, how they are read, what was loaded already, and how each database takes rows."""
