"""Measurements that only DisMo's own models can be asked for."""
