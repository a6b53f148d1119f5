"""Where files keep what they say of themselves, format by format, and what stands there in its place."""
