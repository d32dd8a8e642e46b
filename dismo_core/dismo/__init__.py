"""DisMo: motion as one small vector a frame; extractor, frame generator, and the adapter that makes CogVideoX follow it."""
