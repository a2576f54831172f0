"""The `git` program: what it runs with, what it is asked, and what its failures mean."""
