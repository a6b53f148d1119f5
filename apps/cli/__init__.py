"""The command line: one command, every process."""
