"""How an output gets its name."""
