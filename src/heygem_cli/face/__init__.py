"""Find faces, track their landmarks, and cache the tracks."""
