"""The Migo payment-link delivery bot."""
