"""Lists: what they may be asked, and their pages."""
