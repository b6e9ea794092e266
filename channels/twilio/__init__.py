"""Twilio, shared by WhatsApp and SMS: its REST API, its webhooks and what its codes mean.

Knows nothing of what a WhatsApp message or an SMS may hold; that is for the two channels.
"""

from channels.twilio.account import TwilioAccount
from channels.twilio.channel import TwilioChannel
from channels.twilio.messages import MAX_BODY_CHARS

__all__ = ["MAX_BODY_CHARS", "TwilioAccount", "TwilioChannel"]
