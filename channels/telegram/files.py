"""Fetches files that people sent to the bot, from the Bot API's own host and no other."""

import asyncio
import json
import re
from typing import Final

from channels.base import Refusal
from channels.errors import RejectedError, UncertainError
from channels.outcome import HttpClient, error_for, exchange, read_capped

MAX_BYTES: Final = 5 * 1024 * 1024
_DEADLINE_S: Final = 25.0
_ANSWER_BYTES: Final = 64 * 1024
_FILE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


async def fetch_file(http: HttpClient, api_url: str, token: str, file_id: str) -> bytes:
    """Ask where a file is and read it, 5 MiB at most.

    Raises:
        NotSentError, UncertainError: it may work later.
        RejectedError: there is no such file, or it is too large.

    Source: Telegram Bot API, getFile: the path is good for an hour, 20 MB at most.
    """
    if not _FILE_ID.fullmatch(file_id):
        raise RejectedError("this is no file id", refusal=Refusal.CONTENT)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            path = await _path_of(http, f"{api_url}/bot{token}/getFile", file_id)
            return await _read(http, f"{api_url}/file/bot{token}/{path}")
    except TimeoutError:
        raise UncertainError("Telegram did not answer in time") from None


async def _path_of(http: HttpClient, url: str, file_id: str) -> str:
    with exchange():
        async with http.stream("POST", url, data={"file_id": file_id}) as response:
            content = await read_capped(response, _ANSWER_BYTES)
    error = error_for(response.status_code, response.headers)
    if error is not None:
        raise error
    try:
        path = json.loads(content)["result"]["file_path"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise UncertainError("Telegram's answer cannot be read") from None
    # It becomes part of a URL that holds the token: it may lead nowhere else.
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise UncertainError("Telegram's answer has no path")
    return path


async def _read(http: HttpClient, url: str) -> bytes:
    with exchange():
        async with http.stream("GET", url) as response:
            content = await read_capped(response, MAX_BYTES + 1)
    error = error_for(response.status_code, response.headers)
    if error is not None:
        raise error
    if len(content) > MAX_BYTES:
        raise RejectedError("too large", refusal=Refusal.CONTENT, code="413")
    return content
