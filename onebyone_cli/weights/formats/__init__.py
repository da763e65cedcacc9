"""Kinds of weights files."""
