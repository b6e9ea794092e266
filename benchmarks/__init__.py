"""Side-by-side runs: our way, the limit, and the usual way, in one run on one machine."""
