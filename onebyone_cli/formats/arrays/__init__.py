"""Numbers at fixed offsets, in files and in streams."""
