"""Nodes of 4D: a clip as a moving object."""
