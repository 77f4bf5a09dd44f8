"""Batches on several machines: a pool of workers on a Ray cluster."""
