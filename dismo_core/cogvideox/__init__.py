"""CogVideoX-5B-I2V as published: loading, parts, positions, attention, sampling, objective (docs/methods/dismo.md, 7)."""
