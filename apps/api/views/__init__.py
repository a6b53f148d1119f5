"""The JSON that callers and admins see of what is stored, and the headers that belong to it."""
