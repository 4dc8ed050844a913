"""The only door to container engines: the docker SDK, and ``docker buildx`` as a subprocess."""
