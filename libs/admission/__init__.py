"""Letting a job in: key, rate, quota and idempotency in one step, all or nothing."""
