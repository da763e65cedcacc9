"""Compare two stacks."""
