"""Engines: from a track and mouth motion to pixels."""
