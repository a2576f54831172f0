"""SQLite as a store: executemany, staging and merging, and the types that it does not check itself."""
