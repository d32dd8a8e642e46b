"""Nodes of DEMO."""
