"""Ordering many items at once: read one by one, stored as they go, admitted as one."""
