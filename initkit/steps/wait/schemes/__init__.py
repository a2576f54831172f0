"""One file per scheme of target. The directory is the registry: a file here that ends in `TARGET = ...` is a scheme."""
