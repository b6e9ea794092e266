"""Twilio, shared by WhatsApp and SMS: its REST API, its webhooks and what its codes mean.

Knows nothing of what a WhatsApp message or an SMS may hold; that is for the two channels.
"""

from channels.twilio.account import TwilioAccount
from channels.twilio.messages import MAX_BODY_CHARS, TwilioMessages
from channels.twilio.webhooks import TwilioWebhooks

__all__ = ["MAX_BODY_CHARS", "TwilioAccount", "TwilioMessages", "TwilioWebhooks"]
