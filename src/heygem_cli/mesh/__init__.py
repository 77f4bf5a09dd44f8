"""The built-in engine: a landmark-driven warp at full resolution, and a mouth interior."""
