"""Face: the tracker, the geometry of landmarks, the track cache."""
