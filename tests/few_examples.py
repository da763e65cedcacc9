"""A plugin of pytest for runs that repeat what another run has tried with many examples."""

from hypothesis import settings

settings.register_profile("few", max_examples=5, deadline=None, database=None)
