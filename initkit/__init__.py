"""The toolkit for init containers: wait, migrate, seed, perms and git, each of which may run again at any time."""

__version__ = "0.1.0"
