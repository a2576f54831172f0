"""From a remote into a folder of our own: what is fetched, what of it may be written, and how it is written."""
