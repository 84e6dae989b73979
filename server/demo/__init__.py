"""A whole bank on one machine, for trying things out; nothing here runs in production."""
