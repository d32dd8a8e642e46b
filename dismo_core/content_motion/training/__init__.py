"""Training of CMD: the autoencoder, then the motion model and the content model on its encodings."""
