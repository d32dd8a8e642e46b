"""The commands of DisMo."""
