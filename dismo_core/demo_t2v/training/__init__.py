"""Training of DEMO's motion half."""
