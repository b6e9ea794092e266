"""The doors: HTTP in."""
