"""Hostile files: what the readers of the probe do with damaged ELF files and fat binaries."""
