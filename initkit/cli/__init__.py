"""What people type, turned into steps; the only rooms that know click."""
