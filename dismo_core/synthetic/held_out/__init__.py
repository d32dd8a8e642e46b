"""Scenes for evaluation alone: shapes, surfaces, paths and seeds that no training draws."""
