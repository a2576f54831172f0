"""What is asked for, and of which entries; nothing here looks at a file."""
