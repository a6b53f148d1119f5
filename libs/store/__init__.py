"""Redis, with no idea what a job is."""
