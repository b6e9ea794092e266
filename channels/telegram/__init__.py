"""Telegram bots: aiogram writes to people, and what they do is read as the JSON that it is.

aiogram takes seconds to import, which happens in a thread, for the first message. Checking, reading
and polling never wait for it.
"""

from channels.telegram.channel import Telegram

__all__ = ["Telegram"]
