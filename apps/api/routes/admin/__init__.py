"""What an admin may do: users and api keys."""
