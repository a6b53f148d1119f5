"""Redis and S3 for a laptop and for tests: real servers that come inside wheels."""
