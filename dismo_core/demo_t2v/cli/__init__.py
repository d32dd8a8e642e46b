"""Commands of DEMO."""
