"""What the processes are made of; CONTRIBUTING.md draws the floors."""
