"""Picture and motion as layers: a camera over the ground and a thing that moves on it, warped from the original."""
