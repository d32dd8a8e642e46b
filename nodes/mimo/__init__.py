"""Nodes of MIMO: characters put into videos."""
