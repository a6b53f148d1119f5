"""Batches: up to 50,000 items of one kind, reserved as a whole, made jobs in chunks, whose results are one file."""
