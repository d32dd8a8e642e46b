"""The command line `dismo`."""
