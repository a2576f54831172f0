"""Reads folders of SQL migrations: names, sections, statements, checksums; applying them is a step's."""
