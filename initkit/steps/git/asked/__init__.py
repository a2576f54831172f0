"""What can be asked of `git`: its options, in groups, and the values that only it knows; nothing is done here."""
