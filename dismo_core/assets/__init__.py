"""What comes with the pack: weights of dismo-tiny and example media (see CREDITS.md)."""
