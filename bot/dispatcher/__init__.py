"""Performs outbox items: creates links, words messages, hands them over. Never the database."""

from bot.dispatcher.compose import Composer
from bot.dispatcher.perform import Dispatcher, FindsSent, Sending, SendMode

__all__ = ["Composer", "Dispatcher", "FindsSent", "SendMode", "Sending"]
