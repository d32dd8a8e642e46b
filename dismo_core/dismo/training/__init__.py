"""Training of the extractor, the frame generator and the adapter."""
