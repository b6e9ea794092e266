"""The verbs of the `paybot` command."""
