"""Email over SMTP submission: one recipient a mail, text beside HTML, kept connections.

Outbound only. What the relay answers to the final dot is the last word that is heard.
"""

from channels.email.channel import Email

__all__ = ["Email"]
