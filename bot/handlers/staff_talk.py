"""Conversations with customers that staff take over, answer and give back."""

from collections.abc import Mapping

from bot.domain.commands import Asked
from bot.handlers.staff_desk import Desk


def take(desk: Desk, asked: Asked) -> None:
    """Take a customer's conversation."""
    desk.say("no_talks")


def release(desk: Desk, asked: Asked) -> None:
    """Give a conversation back to the bot."""
    desk.say("no_talks")


def on_text(desk: Desk, help_values: Mapping[str, object]) -> None:
    """Pass free text on to the customer whose conversation is held, else help."""
    desk.say("help", help_values)
