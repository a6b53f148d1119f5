"""How the process, its machine and the parts that it depends on do."""
