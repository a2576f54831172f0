"""What it means that the system refused something, and what helps."""
