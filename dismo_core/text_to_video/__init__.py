"""Text-to-video base models of the ModelScope and ZeroScope family."""
