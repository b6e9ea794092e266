"""Telegram's way of saying no."""

from typing import Final

from starlette.responses import Response

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.wire import json_response

CHAT_NOT_FOUND: Final = "Bad Request: chat not found"
BLOCKED: Final = "Forbidden: bot was blocked by the user"
NEVER_STARTED: Final = "Forbidden: bot can't initiate conversation with a user"
_KINDS: Final = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 409: "Conflict"}


class TelegramRefusalError(Exception):
    """Telegram refuses a call; `error_code` is the HTTP status as well."""

    def __init__(self, error_code: int, description: str, retry_after_s: int = 0) -> None:
        super().__init__(description)
        self.error_code = error_code
        self.retry_after_s = retry_after_s


def error_response(error: TelegramRefusalError) -> Response:
    """Answer `{ok: false, error_code, description, parameters?}`. Source: Bot API."""
    body: dict[str, object] = {
        "ok": False,
        "error_code": error.error_code,
        "description": str(error),
    }
    if error.retry_after_s:
        body["parameters"] = {"retry_after": error.retry_after_s}
    return json_response(body, error.error_code)


def refusal(fault: Fault) -> Response:
    """Word an ordered refusal: `status` and `description`, or `retry_after` for throttling."""
    if fault.kind is FaultKind.THROTTLE:
        seconds = int(fault.number("retry_after", 1))
        text = f"Too Many Requests: retry after {seconds}"
        return error_response(TelegramRefusalError(429, text, seconds))
    status = int(fault.number("status", 400))
    description = fault.text("description", _KINDS.get(status, "Error"))
    return error_response(TelegramRefusalError(status, description))
