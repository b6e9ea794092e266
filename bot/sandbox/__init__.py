"""Emulators of the outside world; shares nothing with what it tests."""
