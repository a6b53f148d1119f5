"""Files that jobs make and take, and the object store that keeps them."""
