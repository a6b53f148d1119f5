"""Following a job: server-sent events and WebSockets, and the tokens that open them."""
