"""Reaching servers: names, connections, TLS, URLs, bounded exchanges. No scheme in particular is known here."""
