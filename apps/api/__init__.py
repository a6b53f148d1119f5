"""The HTTP process: admits jobs, shows them, and never runs one."""
