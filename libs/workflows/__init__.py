"""Workflows: graphs in ComfyUI's API format, as admins register them and as callers send them."""
