"""Driving templates: motion, scene and what stands in front, as a folder of videos; and making them."""
