"""What the interpreter runs in place of a program of its own when git starts it as ssh; nothing here is imported."""
