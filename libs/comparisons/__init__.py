"""A few variants of one order, let in together and shown side by side."""
