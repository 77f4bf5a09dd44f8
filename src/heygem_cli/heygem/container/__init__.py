"""A HeyGem that runs in a Docker or Podman container, seen from the host."""
