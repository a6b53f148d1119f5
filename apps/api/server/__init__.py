"""uvicorn, and the bounds on connections that it leaves open."""
