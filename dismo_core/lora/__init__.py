"""Low-rank updates of frozen linears."""
