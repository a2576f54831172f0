"""The vocabulary that every room shares; nothing here opens a socket, a file of the user's or a terminal."""
