"""One room per kind of step. The directory is the registry: a folder here with a `step.py` is a kind."""
