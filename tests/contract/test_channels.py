"""What every channel promises, tried on each against a scripted provider on loopback."""

import asyncio
import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from channels.base import Accepted, Channel, ChannelName, InboundChannel, OutboundMessage
from channels.errors import (
    BadSignatureError,
    ChannelError,
    MalformedError,
    NotSentError,
    RejectedError,
    UnsupportedError,
)
from tests.contract import channel_email, channel_memory, channel_telegram, channel_twilio
from tests.contract.channel_case import GOLDEN, PUBLIC_URL, Case, Inbound, golden
from tests.contract.channel_wire import Fault, Wire, closed_port

CASES: tuple[Case, ...] = (
    *channel_twilio.CASES,
    *channel_email.CASES,
    *channel_telegram.CASES,
    *channel_memory.CASES,
)
KEY = "reply:7:0:a-key-that-is-nowhere-else"
_ANSWERED = frozenset(Fault) - {Fault.NONE, Fault.SILENT}


def _by_name(case: Case) -> str:
    return str(case.name)


@pytest.fixture(params=CASES, ids=_by_name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(params=[each for each in CASES if each.inbound], ids=_by_name)
def inbound(request: pytest.FixtureRequest) -> Inbound:
    found: Inbound = request.param.inbound
    return found


@asynccontextmanager
async def at_work(case: Case, fault: Fault = Fault.NONE) -> AsyncIterator[tuple[Channel, Wire]]:
    """A channel and its provider, which does `fault` to what it is handed."""
    async with case.wire() as wire:
        wire.fault = fault
        channel = case.build(closed_port() if fault is Fault.NO_CONNECTION else wire.port)
        try:
            yield channel, wire
        finally:
            await channel.aclose()


async def end_of(channel: Channel, message: OutboundMessage, key: str = KEY) -> object:
    """The class of what sending ends in."""
    try:
        return type(await channel.send(message, idempotency_key=key))
    except ChannelError as error:
        return type(error)


def test_every_channel_has_a_case() -> None:
    assert sorted(map(_by_name, CASES)) == sorted([*ChannelName, "memory"])


async def test_a_channel_says_what_it_is(case: Case) -> None:
    async with at_work(case) as (channel, _):
        assert channel.name == case.message("x").to.channel
        assert channel.limits is channel.limits
        assert isinstance(channel, InboundChannel) is (case.inbound is not None)


async def test_accepted_has_an_id_and_an_aware_time(case: Case) -> None:
    async with at_work(case) as (channel, wire):
        accepted = await channel.send(case.message("Hola"), idempotency_key=KEY)
    assert isinstance(accepted, Accepted)
    assert accepted.provider_id
    assert accepted.at.utcoffset() is not None
    assert len(wire.calls) == 1


@pytest.mark.parametrize("fault", sorted(_ANSWERED))
async def test_each_fault_has_its_end_and_one_call_at_most(case: Case, fault: Fault) -> None:
    expected = case.ends.get(fault, Accepted)
    async with at_work(case, fault) as (channel, wire):
        assert await end_of(channel, case.message("Hola")) is expected
    assert len(wire.calls) == (0 if fault is Fault.NO_CONNECTION and case.ends else 1)


async def test_a_channel_has_an_end_for_every_fault_or_none(case: Case) -> None:
    assert set(case.ends) in (set(_ANSWERED), set())


async def test_a_refusal_says_what_it_means(case: Case) -> None:
    if case.refusal is None:
        return
    async with at_work(case, Fault.REFUSED) as (channel, _):
        with pytest.raises(RejectedError) as caught:
            await channel.send(case.message("Hola"), idempotency_key=KEY)
    assert caught.value.refusal is case.refusal
    assert caught.value.code


async def test_a_delay_that_was_asked_for_is_told(case: Case) -> None:
    if Fault.THROTTLED not in case.ends:
        return
    async with at_work(case, Fault.THROTTLED) as (channel, _):
        with pytest.raises(NotSentError) as caught:
            await channel.send(case.message("Hola"), idempotency_key=KEY)
    assert caught.value.retry_after_s == case.retry_after_s


@pytest.mark.parametrize("fault", sorted(_ANSWERED))
async def test_a_channel_works_again_after_a_fault(case: Case, fault: Fault) -> None:
    if fault is Fault.NO_CONNECTION:
        return
    async with at_work(case, fault) as (channel, wire):
        await end_of(channel, case.message("one"), "a")
        wire.fault = Fault.NONE
        assert await end_of(channel, case.message("two"), "b") is Accepted


async def test_many_at_once_are_all_accepted(case: Case) -> None:
    async with at_work(case) as (channel, wire):
        ends = await asyncio.gather(
            *(end_of(channel, case.message(f"n. {number}"), str(number)) for number in range(20))
        )
    assert ends == [Accepted] * 20
    assert len(wire.calls) == 20


async def test_exactly_the_limit_passes_and_one_more_does_not(case: Case) -> None:
    async with at_work(case) as (channel, wire):
        assert await end_of(channel, case.message(case.longest)) is Accepted
        with pytest.raises(UnsupportedError):
            await channel.send(case.message(case.longest + "x"), idempotency_key="other")
    assert len(wire.calls) == 1


async def test_what_cannot_be_expressed_is_refused_before_any_call(case: Case) -> None:
    async with at_work(case) as (channel, wire):
        for message in case.unsupported:
            assert await end_of(channel, message) is UnsupportedError, message
    assert not wire.calls


async def test_the_key_reaches_the_wire_only_where_it_is_honoured(case: Case) -> None:
    async with at_work(case) as (channel, wire):
        for key in (KEY, "another-key"):
            await channel.send(case.message("Hola"), idempotency_key=key)
        first, second = wire.calls
        digest = hashlib.sha256(KEY.encode()).hexdigest()[:40].encode()
        shows = KEY.encode() in first or digest in first
        assert shows is (channel.limits.dedupes_sends or case.shows_key)
        assert KEY.encode() not in second
        assert digest not in second
        if channel.limits.dedupes_sends:
            await channel.send(case.message("Hola"), idempotency_key=KEY)
            assert len(wire.calls) == 2


async def test_cancelling_passes_through(case: Case) -> None:
    if not case.ends:
        return
    async with at_work(case, Fault.SILENT) as (channel, wire):
        task = asyncio.create_task(channel.send(case.message("Hola"), idempotency_key=KEY))
        async with asyncio.timeout(60):
            await wire.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("fault", [Fault.NONE, *sorted(_ANSWERED)])
async def test_no_log_and_no_error_names_a_person_or_a_secret(
    case: Case, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    async with at_work(case, fault) as (channel, _):
        try:
            await channel.send(case.message("Hola"), idempotency_key=KEY)
        except ChannelError as error:
            told = f"{error} {error!r} {error.__cause__!r}"
    told += repr(channel) + "".join(
        f"{each.getMessage()} {each.exc_text}" for each in caplog.records
    )
    assert not [secret for secret in case.secrets if secret in told]


async def test_closing_twice_is_fine_and_sending_after_it_is_not(case: Case) -> None:
    async with at_work(case) as (channel, wire):
        await channel.send(case.message("Hola"), idempotency_key=KEY)
        await channel.aclose()
        await channel.aclose()
        with pytest.raises(NotSentError):
            await channel.send(case.message("Hola"), idempotency_key="late")
    assert len(wire.calls) == 1


async def test_closing_what_was_never_used_is_fine(case: Case) -> None:
    channel = case.build(closed_port())
    await channel.aclose()


def _genuine(inbound: Inbound) -> Iterator[str]:
    """The golden files that this channel's account is meant by."""
    return (name for name, events in inbound.golden.items() if events)


def test_a_genuine_request_is_known_by_its_event(inbound: Inbound) -> None:
    channel = inbound.build()
    for name in _genuine(inbound):
        request = inbound.prove(*golden(inbound.folder, name))
        (event,) = channel.parse(request)
        assert channel.verify(request) == event.event_id


def test_without_the_right_proof_nothing_is_believed(inbound: Inbound) -> None:
    channel = inbound.build()
    request = inbound.prove(*golden(inbound.folder, next(_genuine(inbound))))
    proof = request.headers[inbound.proof_header]
    for wrong in (
        "",
        proof[:-1],
        proof + "x",
        proof.swapcase(),
        "ñ" + proof,
        "\ud800",
        "x" * 99999,
    ):
        headers = {**request.headers, inbound.proof_header: wrong}
        with pytest.raises(BadSignatureError):
            channel.verify(replace(request, headers=headers))
        if not wrong or not inbound.covers_body_and_url:
            with pytest.raises(BadSignatureError):
                channel.check_headers(headers)
    without = {key: value for key, value in request.headers.items() if key != inbound.proof_header}
    with pytest.raises(BadSignatureError):
        channel.verify(replace(request, headers=without))
    with pytest.raises(BadSignatureError):
        channel.check_headers(without)
    channel.check_headers(request.headers)


def test_where_body_and_url_are_signed_no_byte_of_them_may_change(inbound: Inbound) -> None:
    channel = inbound.build()
    request = inbound.prove(*golden(inbound.folder, next(_genuine(inbound))))
    changed = (
        replace(request, body=request.body[:-1] + b"9"),
        replace(request, body=request.body + b"&x=1"),
        replace(request, url=request.url + "&x=1"),
        replace(request, url=request.url.replace(PUBLIC_URL, "https://evil.example")),
        replace(request, url=request.url.replace("https:", "http:")),
    )
    for each in changed:
        if inbound.covers_body_and_url:
            with pytest.raises(BadSignatureError):
                channel.verify(each)
        else:
            channel.verify(each)


def test_an_empty_secret_builds_no_channel(inbound: Inbound) -> None:
    with pytest.raises(ValueError, match=r"secret|token"):
        inbound.build_without_secret()


def test_the_same_bytes_have_the_same_id_and_two_events_have_two(inbound: Inbound) -> None:
    channel = inbound.build()
    one, other = (inbound.prove(*golden(inbound.folder, n)) for n in inbound.two_of_one_message)
    assert channel.verify(one) == channel.verify(one)
    assert channel.verify(one) != channel.verify(other)


def test_every_golden_file_is_read_as_expected(
    inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = inbound.build()
    monkeypatch.setattr(socket, "socket", None)
    for name, events in inbound.golden.items():
        request = inbound.prove(*golden(inbound.folder, name))
        assert tuple(channel.parse(request)) == events, name


def test_every_golden_file_is_used(inbound: Inbound) -> None:
    requests = {
        path.stem
        for path in (GOLDEN / inbound.folder).glob("*.http")
        if path.read_text("utf-8").splitlines()[1].startswith("POST ")
    }
    assert requests == set(inbound.golden)


def test_broken_bodies_raise_one_documented_error(inbound: Inbound) -> None:
    channel = inbound.build()
    for body in inbound.broken:
        request = inbound.prove(f"{PUBLIC_URL}/webhooks", "text/plain", body)
        with pytest.raises(MalformedError):
            channel.parse(request)


def test_broken_bodies_are_verified_or_not_but_never_crash(inbound: Inbound) -> None:
    channel = inbound.build()
    for body in inbound.broken:
        request = inbound.prove(f"{PUBLIC_URL}/webhooks", "text/plain", body)
        try:
            event_id = channel.verify(request)
        except BadSignatureError:
            continue
        assert event_id is None or event_id
