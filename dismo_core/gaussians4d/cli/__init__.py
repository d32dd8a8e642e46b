"""`dismo 4d`: one file a command."""
