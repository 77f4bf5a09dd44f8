"""Batch rendering of lip-synced video."""

__version__ = "0.2.0"
