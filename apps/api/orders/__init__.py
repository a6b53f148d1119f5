"""What callers order: read and checked, up to the admitted job and its answer."""
