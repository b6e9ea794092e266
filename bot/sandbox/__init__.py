"""Emulators of the outside world; shares nothing with what it tests.

`Sandbox` stands in for Migo, Twilio, Telegram, a mail relay and the phones of the people who
are written to. Behaviour comes from the providers' documents only, faults can be ordered.
"""

from bot.sandbox.app import Sandbox
from bot.sandbox.config import MigoConfig, SandboxConfig, TelegramConfig, TwilioConfig
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.people import Person

__all__ = [
    "Fault",
    "FaultKind",
    "MigoConfig",
    "Person",
    "Sandbox",
    "SandboxConfig",
    "TelegramConfig",
    "TwilioConfig",
]
