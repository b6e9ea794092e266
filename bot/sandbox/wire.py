"""The HTTP side shared by all emulators: reading requests, writing JSON, suffering faults."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bot.sandbox.faults import Fault, FaultKind, Faults

ABORT: Final = "sandbox.abort"
"""ASGI extension of our server: `{"abort": callable}` closes the connection."""

Endpoint = Callable[[Request], Awaitable[Response]]
Refusal = Callable[[Fault], Response]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file out of a multipart form."""

    filename: str
    content_type: str
    content: bytes


Form = dict[str, str | Upload]


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Write `body` as JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


async def json_object(request: Request) -> dict[str, object]:
    """Read a JSON object; anything else reads as an empty one."""
    try:
        body: object = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def urlencoded(body: bytes) -> list[tuple[str, str]]:
    """Read an urlencoded form; order, repeats and blanks are kept."""
    # By hand and not by the framework's form reader: signatures need repeats and blanks.
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def multipart(content_type: str, body: bytes) -> Form:
    """Read a multipart/form-data body; parts without a name are dropped."""
    # The email parser reads MIME with a header in front; HTTP carries it outside the body.
    head = f"content-type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    form: Form = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(payload, bytes):
            continue
        filename = part.get_filename()
        if filename is None:
            form[name] = payload.decode("utf-8", "replace")
        else:
            form[name] = Upload(filename, part.get_content_type(), payload)
    return form


class AbortedResponse(Response):
    """Closes the connection without a byte of answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort the socket; without one (in-process transport) raise what a client would see."""
        extension = scope.get("extensions", {}).get(ABORT)
        if extension is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        extension["abort"]()
        # The server answers 500 for an application that returns before the socket is gone.
        while (await receive())["type"] != "http.disconnect":
            pass


def with_faults(
    faults: Faults, provider: str, operation: str, endpoint: Endpoint, refusal: Refusal
) -> Endpoint:
    """Let ordered faults happen to an endpoint; `refusal` words a no in the provider's shape."""

    async def faulty(request: Request) -> Response:
        fault = faults.take(provider, operation)
        if fault is None:
            return await endpoint(request)
        return await suffer(fault, lambda: endpoint(request), refusal)

    return faulty


async def suffer(
    fault: Fault, perform: Callable[[], Awaitable[Response]], refusal: Refusal
) -> Response:
    """Carry out a request the way a fault wants it."""
    match fault.kind:
        case FaultKind.REFUSE | FaultKind.THROTTLE:
            return refusal(fault)
        case FaultKind.SERVER_ERROR:
            if fault.details.get("done"):
                await perform()
            return PlainTextResponse("Internal Server Error", int(fault.number("status", 500)))
        case FaultKind.DROP_ANSWER:
            await perform()
            return AbortedResponse()
        case FaultKind.GARBAGE:
            response = await perform()
            return Response(b"<html>\xff not what you expect", response.status_code)
        case FaultKind.DELAY:
            # Carried out first: a caller that gives up waiting has been served all the same.
            response = await perform()
            await asyncio.sleep(fault.number("seconds", 2.0))
            return response
        case _:
            return await perform()
