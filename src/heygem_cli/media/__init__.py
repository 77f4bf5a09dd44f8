"""Probe, decode and encode audio and video."""
