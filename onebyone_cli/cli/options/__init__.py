"""The options of all commands, a file for each heading of help."""
