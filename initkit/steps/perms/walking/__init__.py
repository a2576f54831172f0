"""Going over all entries of a tree, in one process or several; what is asked of them is known to `asked`."""
