"""Files that people send over WhatsApp: where a webhook names them, and fetching one.

A file is named by the ids of its message and of itself alone, so that no webhook chooses the host
that our credentials go to.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from channels.base import Refusal
from channels.errors import RejectedError, UncertainError
from channels.outcome import HttpClient, error_for, exchange, read_capped
from channels.twilio.account import TwilioAccount

MAX_BYTES: Final = 5 * 1024 * 1024
_DEADLINE_S: Final = 25.0
_REDIRECTS: Final = 3
_FILE_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}/[A-Za-z0-9]{1,64}")
_URL: Final = re.compile(
    r"https?://[^/?#]+(?:/[^?#]*)?/Accounts/[A-Za-z0-9]+/Messages/([A-Za-z0-9]{1,64})"
    r"/Media/([A-Za-z0-9]{1,64})"
)
_NAME: Final = re.compile(r"[^/\\\n]{1,96}\.(?:csv|xlsx|txt)", re.IGNORECASE)
_NO_DOCUMENTS: Final = ("image/", "audio/", "video/")
_KINDS: Final = {"image": "photo", "audio": "recording", "video": "video"}
_ENDINGS: Final = {
    "text/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}


def document_of(form: Mapping[str, str]) -> dict[str, str]:
    """The document that came with a message, as `file_id` and `file_name`; empty for none.

    Source: Twilio docs, "Twilio's Request to your Incoming Message Webhook URL": `NumMedia`,
    `MediaUrl0`, `MediaContentType0`. A caption that reads as a file's name is taken for it.
    """
    found = _URL.fullmatch(form.get("MediaUrl0", ""))
    kind = form.get("MediaContentType0", "").partition(";")[0].strip().lower()
    if found is None or kind.startswith(_NO_DOCUMENTS):
        return {}
    caption = form.get("Body", "").strip()
    name = caption if _NAME.fullmatch(caption) else f"archivo{_ENDINGS.get(kind, '')}"
    return {"file_id": f"{found[1]}/{found[2]}", "file_name": name}


def attachment_of(form: Mapping[str, str]) -> dict[str, str]:
    """What kind of file came with a message; WhatsApp's stickers are WebP pictures."""
    kind = form.get("MediaContentType0", "").partition(";")[0].strip().lower()
    if not kind:
        return {}
    if kind == "image/webp":
        return {"attachment": "sticker"}
    return {"attachment": _KINDS.get(kind.partition("/")[0], "document")}


async def fetch_media(http: HttpClient, account: TwilioAccount, file_id: str) -> bytes:
    """Read a file, 5 MiB at most. Safe to repeat.

    Twilio sends us on to where it keeps files; our credentials do not go there.

    Raises:
        NotSentError, UncertainError: it may work later.
        RejectedError: there is no such file, or it is too large.

    Source: Twilio docs, "Media resource", "Fetch a Media resource".
    """
    if not _FILE_ID.fullmatch(file_id):
        raise RejectedError("this is no file id", refusal=Refusal.CONTENT)
    message_sid, _, media_sid = file_id.partition("/")
    base = account.base_url.rstrip("/")
    path = f"/2010-04-01/Accounts/{account.account_sid}/Messages/{message_sid}/Media/{media_sid}"
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await _follow(http, base, base + path, account.authorization)
    except TimeoutError:
        raise UncertainError("Twilio did not answer in time") from None


async def _follow(http: HttpClient, base: str, url: str, authorization: str) -> bytes:
    headers = {"authorization": authorization}
    for _ in range(_REDIRECTS + 1):
        with exchange():
            async with http.stream("GET", url, headers=headers) as response:
                content = await read_capped(response, MAX_BYTES + 1)
        if response.status_code not in (301, 302, 303, 307, 308):
            return _checked(response.status_code, response.headers, content)
        url, headers = urljoin(url, response.headers.get("location", "")), {}
        if urlsplit(url).scheme != "https" and urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise RejectedError("Twilio names no safe place", refusal=Refusal.CONFIG)
    raise RejectedError("Twilio sends us round in circles", refusal=Refusal.CONFIG)


def _checked(status: int, headers: Mapping[str, str], content: bytes) -> bytes:
    error = error_for(status, headers)
    if error is not None:
        raise error
    if len(content) > MAX_BYTES:
        raise RejectedError("too large", refusal=Refusal.CONTENT, code="413")
    return content
