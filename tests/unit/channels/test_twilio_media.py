"""Files that people send over WhatsApp: which are named, and how one is fetched."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from channels.base import ATTACHMENTS, Refusal
from channels.errors import NotSentError, RejectedError, UncertainError
from channels.outcome import new_client
from channels.twilio.account import TwilioAccount
from channels.twilio.media import MAX_BYTES, attachment_of, document_of, fetch_media
from tests.contract.channel_wire import Fault, http_wire

SID = "AC00000000000000000000000000000000"
HERE = f"/2010-04-01/Accounts/{SID}/Messages/MM1/Media/ME1"
Answer = tuple[int, dict[str, str], bytes]


class Keeper:
    """Twilio's API and the place where it keeps files, on one port; keeps what was asked."""

    def __init__(self, first: Answer, then: Answer = (200, {}, b"a;b\n")) -> None:
        self.answers = {HERE: first}
        self.then = then
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, call: bytes, _: Fault) -> Answer:
        path = call.split()[1].decode()
        self.asked.append((path, b"authorization:" in call.lower()))
        return self.answers.get(path, self.then)


@asynccontextmanager
async def fetching(keeper: Keeper, file_id: str = "MM1/ME1") -> AsyncIterator[bytes]:
    async with http_wire(keeper) as wire:
        account = TwilioAccount(SID, ("secret",), base_url=f"http://127.0.0.1:{wire.port}")
        http = new_client(timeout_s=5, keep_alive=False)
        try:
            yield await fetch_media(http, account, file_id)
        finally:
            await http.aclose()


def to(place: str) -> Answer:
    return 307, {"location": place}, b""


async def test_credentials_stay_at_the_first_place() -> None:
    keeper = Keeper(to("/kept/1?sign=x"))
    async with fetching(keeper) as content:
        assert content == b"a;b\n"
    assert keeper.asked == [(HERE, True), ("/kept/1?sign=x", False)]


@pytest.mark.parametrize(
    "place", ["http://169.254.169.254/latest", "http://evil.example/x", "ftp://x/y", "file:///etc"]
)
async def test_no_redirect_leads_into_the_dark(place: str) -> None:
    with pytest.raises(RejectedError) as caught:
        async with fetching(Keeper(to(place))):
            pass
    assert caught.value.refusal is Refusal.CONFIG


async def test_a_circle_ends() -> None:
    keeper = Keeper(to(HERE))
    with pytest.raises(RejectedError, match="circles"):
        async with fetching(keeper):
            pass
    assert len(keeper.asked) == 4


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ((404, {}, b""), RejectedError),
        ((429, {}, b""), NotSentError),
        ((503, {}, b""), UncertainError),
        ((200, {}, b"x" * (MAX_BYTES + 1)), RejectedError),
    ],
)
async def test_each_end_has_its_error(answer: Answer, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        async with fetching(Keeper(answer)):
            pass


@pytest.mark.parametrize("file_id", ["", "ME1", "../x/y", "a/b/c", "MM1/ME1?x=1", "MM1/ME1\n"])
async def test_a_strange_id_makes_no_call(file_id: str) -> None:
    keeper = Keeper((200, {}, b""))
    with pytest.raises(RejectedError, match="no file id"):
        async with fetching(keeper, file_id):
            pass
    assert keeper.asked == []


def named(**fields: str) -> Mapping[str, str]:
    url = f"https://api.twilio.com{HERE}"
    return document_of({"MediaUrl0": url, "MediaContentType0": "text/csv", **fields})


@pytest.mark.parametrize(
    ("caption", "kind", "name"),
    [
        ("marzo.csv", "text/csv", "marzo.csv"),
        ("Abril 2026.XLSX", "application/octet-stream", "Abril 2026.XLSX"),
        ("para hoy", "text/csv; charset=utf-8", "archivo.csv"),
        ("../../etc/passwd.csv", "text/csv", "archivo.csv"),
        ("", "application/pdf", "archivo"),
    ],
)
def test_a_document_is_known_by_its_ids(caption: str, kind: str, name: str) -> None:
    found = named(Body=caption, MediaContentType0=kind)
    assert found == {"file_id": "MM1/ME1", "file_name": name}


@pytest.mark.parametrize(
    "fields",
    [
        {"MediaContentType0": "image/jpeg"},
        {"MediaContentType0": "audio/ogg"},
        {"MediaUrl0": ""},
        {"MediaUrl0": "https://api.twilio.com/media/ME1"},
        {"MediaUrl0": f"https://api.twilio.com{HERE}/../../x"},
    ],
)
def test_what_is_no_document_is_none(fields: dict[str, str]) -> None:
    assert named(**fields) == {}


@pytest.mark.parametrize(
    ("kind", "attachment"),
    [
        ("image/jpeg", "photo"),
        ("image/webp", "sticker"),
        ("audio/ogg; codecs=opus", "recording"),
        ("video/mp4", "video"),
        ("application/pdf", "document"),
        ("text/vcard", "document"),
    ],
)
def test_the_kind_of_a_file_is_known(kind: str, attachment: str) -> None:
    assert attachment in ATTACHMENTS
    assert attachment_of({"MediaContentType0": kind}) == {"attachment": attachment}
    assert attachment_of({"NumMedia": "0"}) == {}
