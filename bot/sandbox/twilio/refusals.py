"""Twilio's way of saying no at creation."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.wire import json_response

MESSAGES: Final[Mapping[int, tuple[int, str]]] = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21408: (400, "Permission to send an SMS has not been enabled for the region."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number is not a valid, SMS-capable inbound phone number."),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit."),
    21619: (400, "A text message body or media urls must be specified."),
    21654: (400, "ContentSid required."),
    21655: (400, "The ContentSid is invalid."),
    21656: (400, "The Content Variables parameter is invalid."),
    21703: (400, "The Messaging Service contains no phone numbers."),
    21910: (400, "'From' and 'To' must be of the same channel."),
    63007: (400, "Twilio could not find a Channel with the specified From address."),
}
"""Code to HTTP status and text. Source: Twilio docs, error and warning dictionary."""


class TwilioRefusalError(Exception):
    """Twilio refuses a request with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(MESSAGES[code][1])
        self.code = code


def error_response(code: int, *, status: int | None = None, message: str = "") -> Response:
    """Answer with Twilio's error shape `{code, message, more_info, status}`."""
    usual, words = MESSAGES.get(code, (400, "Error"))
    status = usual if status is None else status
    body = {
        "code": code,
        "message": message or words,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return json_response(body, status)


def refusal(fault: Fault) -> Response:
    """Word an ordered refusal: by `code`, or by `status` and `body` as they are."""
    if fault.kind is FaultKind.THROTTLE:
        response = error_response(20429)
        response.headers["retry-after"] = fault.text("retry_after", "1")
        return response
    if "body" in fault.details:
        return json_response(fault.details["body"], int(fault.number("status", 400)))
    status = int(fault.number("status", 0)) or None
    return error_response(int(fault.number("code", 21211)), status=status)
