"""Runs steps and reports on them; it knows no particular one."""
