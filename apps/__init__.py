"""The processes: API, worker, command line. None imports another."""
