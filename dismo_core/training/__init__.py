"""Training of any model: one loop, atomic checkpoints, averaged weights, several processes, logs."""
