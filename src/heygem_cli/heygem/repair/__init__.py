"""Repair the configuration of an installation: plan all edits, then write each of them safely."""
