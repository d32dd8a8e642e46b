"""What the nodes of several methods share; it knows none of them."""
