"""The motion adapter of CogVideoX: its module, its file, sampling with it."""
