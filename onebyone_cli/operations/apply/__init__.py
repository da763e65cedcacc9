"""Apply weights to stacks."""
