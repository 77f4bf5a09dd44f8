"""Speech: audio to features to mouth motion."""
