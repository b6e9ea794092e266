"""The emulated mail relay: takes mail over SMTP and keeps it parsed."""
