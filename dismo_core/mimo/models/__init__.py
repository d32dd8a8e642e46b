"""The three networks of MIMO, with the released names."""
