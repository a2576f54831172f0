"""Health and metrics over HTTP, for whatever keeps running; what they say is the business of who runs."""
