"""Inputs as one stack."""
