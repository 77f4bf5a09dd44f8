"""Benchmarks of speed, memory, lip-sync and batches, one command each. See README.md."""
