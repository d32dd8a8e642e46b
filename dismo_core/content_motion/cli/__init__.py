"""`dismo content-motion`: a file each command."""
