"""Networks of CMD, in the names of the release."""
