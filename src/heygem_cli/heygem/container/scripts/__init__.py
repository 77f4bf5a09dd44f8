"""Scripts that a container's own Python runs: 3.8 or later, with nothing but the standard library."""
