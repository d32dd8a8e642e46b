"""How good it is: what embeddings know, and how well videos follow a motion. The models are arguments."""
