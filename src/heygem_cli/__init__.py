"""Batch rendering of lip-synced video."""

__version__ = "0.1.0"
