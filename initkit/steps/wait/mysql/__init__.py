"""What `schemes.mysql` is made of: its URL, and what it looks at."""
