"""Weight files: read, fetched, checked and converted. What there is, bases and methods register."""
