"""Predict mouth motion from speech."""
