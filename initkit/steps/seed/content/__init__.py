"""What stands in a dataset: its bytes, its rows as text, and what is wrong with them; loading them is the stores'."""
