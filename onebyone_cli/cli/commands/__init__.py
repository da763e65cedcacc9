"""One thin command per file."""
