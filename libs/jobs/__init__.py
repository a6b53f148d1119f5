"""A job's record: what it is, how it is found, and how it moves from status to status."""
