"""What a look at an HTTP server is made of, a concern a file; its options and its verdict are `schemes.http`."""
