"""Migo, the payment company: makes links, checks and reads callbacks, writes amounts its way."""

from bot.migo.amounts import AmountUnit, decode_amount, encode_amount
from bot.migo.callback import (
    Callback,
    CallbackError,
    CallbackGate,
    ExternalId,
    MigoStatus,
    check_callback,
    parse_callback,
)
from bot.migo.client import CreateLink, LinkCreated, MigoClient
from bot.migo.config import Environment, MigoConfig, UserIdForm
from bot.migo.errors import MigoError, NotCreatedError, RefusedError, UnknownOutcomeError

__all__ = [
    "AmountUnit",
    "Callback",
    "CallbackError",
    "CallbackGate",
    "CreateLink",
    "Environment",
    "ExternalId",
    "LinkCreated",
    "MigoClient",
    "MigoConfig",
    "MigoError",
    "MigoStatus",
    "NotCreatedError",
    "RefusedError",
    "UnknownOutcomeError",
    "UserIdForm",
    "check_callback",
    "decode_amount",
    "encode_amount",
    "parse_callback",
]
