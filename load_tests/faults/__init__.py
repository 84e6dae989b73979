"""Breaks a running installation on purpose, under load, and says what was lost."""
