"""By what a remote is reached: credentials, certificates and keys, as variables and settings of the `git` program."""
