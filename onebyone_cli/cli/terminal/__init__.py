"""What people see: messages, tables, progress, completion and man pages."""
