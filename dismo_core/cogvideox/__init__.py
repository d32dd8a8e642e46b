"""CogVideoX-5B-I2V that follows extracted motion: base model, adapter, sampling, memory and speed (docs/methods/dismo.md, 7)."""
