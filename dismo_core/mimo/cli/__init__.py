"""The commands of MIMO."""
