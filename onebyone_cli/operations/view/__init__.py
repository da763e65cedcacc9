"""Draw stacks."""
