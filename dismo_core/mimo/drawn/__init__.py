"""Drawn figures and scenes whose truth is known: for the bundled example, for training and for evaluation."""
