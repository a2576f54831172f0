"""Owners, groups and modes of whole trees; how a mode, an owner or a rule is written is known to this room only."""
