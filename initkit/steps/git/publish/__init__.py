"""Where readers look: trees, their records, the switch from one to the next; git is not known here."""
