"""Reaching a database: where its address comes from, connecting, and what a driver's error means."""
