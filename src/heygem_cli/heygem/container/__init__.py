"""Inspect a HeyGem that runs in a Docker or Podman container, from the host."""
