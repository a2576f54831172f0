"""The content of a git repository, published in a folder through a link; the `git` program does git's work."""
