"""Training data: video shards made and checked, clips and pairs drawn from them, augmented and batched (specs/dismo.md, 5.1 and 5.2)."""
