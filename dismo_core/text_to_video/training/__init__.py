"""Training of the tiny base."""
