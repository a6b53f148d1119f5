"""The API as a document (OpenAPI 3.1), and as a page to read."""
