"""What an admin may do: users, api keys, plans; queues, jobs, workers; usage and the audit log."""
