"""Training: drawn clips, the objective of the paper, one loop with atomic checkpoints, and the recipe of dismo-tiny."""
