"""How good it is: what the motion embeddings know, and how well videos follow a motion."""
