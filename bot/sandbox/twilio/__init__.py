"""The emulated Twilio: messages over WhatsApp and SMS, status callbacks, inbound webhooks."""
