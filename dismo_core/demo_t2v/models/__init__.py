"""The networks of DEMO, in their published names (docs/methods/demo_t2v.md, 2 and 3)."""
