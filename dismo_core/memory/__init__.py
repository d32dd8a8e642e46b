"""Where the parts of a large model lie, in which precision, and how fast they run."""
