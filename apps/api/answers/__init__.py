"""What the routes answer, as models: the OpenAPI document is made of them, and tests hold every answer against them."""
