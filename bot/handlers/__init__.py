"""What each event means."""
