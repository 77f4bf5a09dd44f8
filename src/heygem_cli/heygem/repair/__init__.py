"""Repair an installation's configuration: plan all edits first, write them one by one and safely afterwards."""
