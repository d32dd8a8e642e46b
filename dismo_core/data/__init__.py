"""Video shards made and checked; clips and pairs drawn from them, augmented and batched (docs/methods/dismo.md, 6.1 and 6.2)."""
