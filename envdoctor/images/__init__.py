"""Images: what is asked for (``image.toml``), the Dockerfile made of it, the build, and what was built (``manifest.json``)."""
