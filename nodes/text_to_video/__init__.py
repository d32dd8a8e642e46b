"""Nodes of the text-to-video bases, for the methods that build on them."""
