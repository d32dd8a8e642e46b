"""The networks, written from the published description; state dicts use the names of the released files."""
