"""Measured comparisons; each command prints a table and writes JSON (see README.md)."""
