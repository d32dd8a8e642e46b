"""Pictures laid over each other: made crops into the scene, and whole characters without a network."""
