"""What a format owes: readers, writers, metadata and the registry entry."""
