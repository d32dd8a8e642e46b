"""A character's own frames put into a template, without a network (docs/methods/mimo.md, 9)."""
