"""Nodes of DisMo."""
