"""Waiting for what others provide. A scheme of target is one file in `schemes`; pace and deadline are shared."""
