"""The command lines, a module for each group of topics with a function ``lines``."""
