"""Drawn scenes whose motion is known."""
