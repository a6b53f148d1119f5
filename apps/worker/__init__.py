"""The worker process: claims jobs, holds their leases, runs them."""
