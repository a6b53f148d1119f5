"""Who may do what: users, api keys, plans."""
