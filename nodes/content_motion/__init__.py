"""Nodes of CMD: a clip as one picture and a motion, edited apart and put together again."""
