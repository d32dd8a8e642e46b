"""The commands `dismo motiondirector ...`."""
