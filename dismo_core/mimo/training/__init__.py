"""Training of MIMO on templates."""
