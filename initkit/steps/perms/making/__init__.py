"""Folders that do not exist come to be, as they should be from the first instant."""
