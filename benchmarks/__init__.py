"""Benchmarks: speed, memory, lip-sync; each is one command that prints one table. See README.md."""
