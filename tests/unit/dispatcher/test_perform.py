"""Each end of talking to a provider becomes one outcome, and nothing is called twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.dispatcher import Sending, SendMode
from bot.domain.delivery import (
    Done,
    Found,
    LinkMade,
    Outcome,
    Purpose,
    Refused,
    RetryLater,
    Sent,
    Uncertain,
    Unfound,
)
from bot.migo import NotCreatedError, RefusedError, UnknownOutcomeError
from bot.migo import errors as migo_errors
from channels.base import ChannelName, Limits, Refusal
from channels.errors import (
    NotSentError,
    RejectedError,
    UncertainError,
    UnsupportedError,
)
from tests.unit.dispatcher.items import (
    NOW,
    PHONE,
    PUBLIC,
    URL,
    AskableChannel,
    FakeChannel,
    FakeMigo,
    create_item,
    dispatcher_of,
    message_item,
    texts_of,
)

WINDOWED = Limits(text_chars=1600, reports_delivery=True, reply_window_s=86_400)


def _leaves(kind: type[migo_errors.MigoError]) -> Iterator[type[migo_errors.MigoError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _leaves(each)


@pytest.mark.parametrize("kind", list(_leaves(migo_errors.MigoError)))
async def test_every_error_of_migo_has_its_outcome(kind: type[migo_errors.MigoError]) -> None:
    migo = FakeMigo(kind())
    outcome = await dispatcher_of(migo=migo).perform(create_item())
    expected: type[Outcome] = Refused
    if issubclass(kind, NotCreatedError):
        expected = RetryLater
    elif issubclass(kind, UnknownOutcomeError):
        expected = Uncertain
    assert isinstance(outcome, expected)
    assert not isinstance(outcome, Done)
    assert (outcome.code, len(migo.wanted)) == (kind.key, 1)
    assert outcome.reason == kind().explain("es")


def test_the_errors_of_migo_have_three_kinds() -> None:
    kinds = {RefusedError, NotCreatedError, UnknownOutcomeError}
    assert set(migo_errors.MigoError.__subclasses__()) == kinds


async def test_migo_may_name_a_delay_and_a_uid() -> None:
    slow = FakeMigo(migo_errors.ThrottledError(retry_after_s=7.0))
    later = await dispatcher_of(migo=slow).perform(create_item())
    assert isinstance(later, RetryLater)
    assert later.after_s == 7.0
    odd = FakeMigo(migo_errors.LinkNotAllowedError(uid="u5"))
    unknown = await dispatcher_of(migo=odd).perform(create_item())
    assert isinstance(unknown, Uncertain)
    assert unknown.uid == "u5"


async def test_a_link_is_asked_for_under_its_attempt() -> None:
    migo = FakeMigo()
    outcome = await dispatcher_of(migo=migo).perform(create_item())
    assert outcome == Done(LinkMade("u9", "REF9", "https://pay.example/?orderId=u9"))
    [wanted] = migo.wanted
    assert (wanted.external_id, wanted.phone, wanted.migo_channel) == ("pay_1.2", PHONE, "sms")
    assert wanted.money.minor == 15000


SENDING = [
    (NotSentError("down", code="1", retry_after_s=3.0), RetryLater("down", "1", 3.0)),
    (NotSentError("down"), RetryLater("down")),
    (UncertainError("lost", code="2"), Uncertain("lost", "2")),
    (UnsupportedError("odd"), Refused("odd", "unsupported", Refusal.CONTENT)),
    (RejectedError("later", refusal=Refusal.TEMPORARY, code="3"), RetryLater("later", "3")),
    *(
        (RejectedError("no", refusal=refusal, code="4"), Refused("no", "4", refusal))
        for refusal in Refusal
        if refusal is not Refusal.TEMPORARY
    ),
]


@pytest.mark.parametrize(("end", "outcome"), SENDING)
async def test_every_end_of_a_send_has_its_outcome(end: Exception, outcome: Outcome) -> None:
    channel = FakeChannel(end=end)
    assert await dispatcher_of(channel).perform(message_item()) == outcome
    assert len(channel.sent) == 1


async def test_a_message_goes_to_its_address_and_is_reported_on() -> None:
    channel = FakeChannel()
    outcome = await dispatcher_of(channel).perform(message_item())
    assert outcome == Done(Sent("id1", NOW))
    [(message, key)] = channel.sent
    assert (message.to.value, key) == (PHONE, "link:1:sms")
    assert URL in message.text
    assert message.status_url == f"{PUBLIC}/webhooks/twilio/status?m=7.1"


async def test_no_report_is_asked_for_where_none_is_given() -> None:
    channel = FakeChannel(limits=Limits(text_chars=1600))
    await dispatcher_of(channel).perform(message_item())
    assert channel.sent[0][0].status_url is None


async def test_a_channel_that_is_off_refuses() -> None:
    outcome = await dispatcher_of(FakeChannel()).perform(message_item(ChannelName.EMAIL))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.refusal) == ("off", Refusal.CONFIG)


@pytest.mark.parametrize("silent_for", [None, timedelta(hours=24), timedelta(days=9)])
async def test_outside_the_window_nothing_goes_without_a_template(
    silent_for: timedelta | None,
) -> None:
    channel = FakeChannel(ChannelName.WHATSAPP, WINDOWED)
    wrote = None if silent_for is None else NOW - silent_for
    item = message_item(ChannelName.WHATSAPP, last_inbound_at=wrote)
    outcome = await dispatcher_of(channel).perform(item)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.refusal) == ("no_template", Refusal.TEMPLATE)
    assert not channel.sent


async def test_inside_the_window_free_text_goes() -> None:
    channel = FakeChannel(ChannelName.WHATSAPP, WINDOWED)
    wrote = NOW - timedelta(hours=23, minutes=59)
    item = message_item(ChannelName.WHATSAPP, last_inbound_at=wrote)
    assert isinstance(await dispatcher_of(channel).perform(item), Done)
    assert channel.sent[0][0].template is None


async def test_dry_mode_sends_nothing_and_says_so() -> None:
    channel = FakeChannel()
    sending = Sending(public_url=PUBLIC, mode=SendMode.DRY)
    outcome = await dispatcher_of(channel, sending=sending).perform(message_item())
    assert outcome == Done(Sent("dry:7:1", NOW))
    assert not channel.sent


@pytest.mark.parametrize("name", list(ChannelName))
async def test_redirect_mode_reaches_one_number_only(name: ChannelName) -> None:
    sms, other = FakeChannel(), FakeChannel(name)
    sending = Sending(public_url=PUBLIC, mode=SendMode.REDIRECT, redirect_to="+50200000000")
    addresses = {ChannelName.EMAIL: "ana@example.com", ChannelName.TELEGRAM: "700"}
    item = message_item(name, address=addresses.get(name, PHONE))
    await dispatcher_of(sms, other, sending=sending).perform(item)
    sent = [message.to.value for channel in (sms, other) for message, _ in channel.sent]
    assert sent == ["+50200000000"]


async def test_a_first_try_asks_for_no_earlier_one() -> None:
    channel = AskableChannel()
    await dispatcher_of(channel).perform(message_item())
    assert not channel.asked
    assert len(channel.sent) == 1


async def test_an_uncertain_message_that_left_is_not_sent_again() -> None:
    channel = AskableChannel()
    channel.found = ["SM-earlier", "SM-older"]
    item = message_item(looks_left=1, tries=2)
    assert await dispatcher_of(channel).perform(item) == Found(["SM-earlier", "SM-older"], NOW)
    assert not channel.sent


async def test_it_is_looked_for_since_it_was_owed_however_long_ago() -> None:
    """The process may have been down for hours between the try and the look."""
    channel = AskableChannel()
    owed_at = NOW - timedelta(hours=5)
    item = message_item(looks_left=1, tries=2, created_at=owed_at)
    await dispatcher_of(channel).perform(item)
    assert [owed_at - since for since in channel.asked] == [timedelta(minutes=1)]
    assert len(channel.sent) == 1


@pytest.mark.parametrize("end", [NotSentError("x"), RejectedError("x"), UncertainError("x")])
async def test_while_nobody_can_tell_it_waits(end: Exception) -> None:
    channel = AskableChannel()
    channel.found = end
    outcome = await dispatcher_of(channel).perform(message_item(looks_left=1, tries=2))
    assert isinstance(outcome, RetryLater)
    assert not channel.sent


async def test_a_text_that_does_not_exist_is_refused_and_not_raised() -> None:
    item = message_item(purpose=Purpose.REPLY, payload={"what": "no_such_text"})
    outcome = await dispatcher_of(FakeChannel()).perform(item)
    assert isinstance(outcome, Refused)


async def test_a_part_that_goes_back_is_named() -> None:
    channel = FakeChannel()
    item = message_item(purpose=Purpose.REFUNDED, payload={"refund_minor": 5000})
    await dispatcher_of(channel).perform(item)
    [(message, _)] = channel.sent
    assert "Q50.00" in message.text
    assert "Q150.00" in message.text


async def test_an_earlier_try_is_looked_for_twice() -> None:
    channel = AskableChannel()
    assert await dispatcher_of(channel).perform(message_item(looks_left=2)) == Unfound()
    assert not channel.sent


async def test_news_of_money_names_what_came() -> None:
    channel = FakeChannel()
    came = {"came": {"minor": 14999, "currency": "GTQ"}}
    await dispatcher_of(channel).perform(message_item(purpose=Purpose.RECEIPT, payload=came))
    await dispatcher_of(channel).perform(message_item(purpose=Purpose.RECEIPT))
    first, second = texts_of(channel)
    assert "Q149.99" in first
    assert "Q150.00" in second
