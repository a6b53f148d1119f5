"""What concerns a user as a whole: limits that reach the jobs they have waiting, usage, erasure."""
