"""What `schemes.dns` is made of: resolv.conf, servers, queries, records."""
