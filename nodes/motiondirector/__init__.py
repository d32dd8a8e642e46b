"""Nodes of MotionDirector."""
