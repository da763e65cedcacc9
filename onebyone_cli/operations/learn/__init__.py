"""Learn weights from stacks."""
