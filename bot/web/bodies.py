"""What may be asked of `/v1`: bytes come in, checked values go out, or every fault by its field.

Checks that depend on the present time or on this installation come last and only for a request
that is new, so that the repeat of a request is answered like the first whatever changed since.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from bot.domain import strict_json
from bot.domain.money import Money
from bot.handlers.payment import PaymentRequest
from bot.handlers.planning import parse_target
from bot.handlers.rules import Rules
from bot.store import payments
from bot.web import fields
from bot.web.described import EXAMPLE
from bot.web.webhooks import TooLargeError, read_body

MAX_BODY_BYTES = 256 * 1024
MAX_AHEAD = timedelta(days=90)
"""How far ahead a payment may reach: a slip of the year must not become a plan."""
MAX_FAULTS = 20

WITHOUT_COURIER = frozenset({"web", "app"})
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field by its path, as `customer.phone`, and what it must be."""

    field: str
    message: str


class FaultyError(Exception):
    """Some fields cannot be taken."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep the first faults; a body may hold a thousand."""
        super().__init__("some fields cannot be taken")
        self.faults = faults[:MAX_FAULTS]


class BodyError(Exception):
    """The body cannot be read at all; `status` is the HTTP answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what is to be answered."""
        super().__init__(message)
        self.status = status
        self.code = code


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def crossed(self) -> Iterator[Fault]:
        """Fields that do not fit each other."""
        yield from ()


class CustomerBody(_Body):
    """Who pays."""

    phone: fields.Phone
    name: fields.Name | None = None
    email: fields.Email | None = None
    locale: fields.Locale | None = None
    telegram_chat_id: fields.ChatId | None = None


class AskBody(_Body):
    """What is asked of whom and over which channels, once or time and again."""

    customer: CustomerBody
    amount_minor: fields.Amount
    currency: fields.Currency
    channel: fields.ChannelWord | None = None
    route: Annotated[list[fields.ChannelWord], Field(min_length=1, max_length=6)] | None = None
    concept: fields.Concept | None = None
    reminders: fields.Reminders = "default"
    notify: fields.Target | None = None
    created_by: fields.Actor = "api"

    @property
    def way(self) -> tuple[str, ...]:
        """The channels in order: the route, or the one channel."""
        if self.route is not None:
            return tuple(self.route)
        return () if self.channel is None else (self.channel,)

    def crossed(self) -> Iterator[Fault]:
        """Fields that do not fit each other."""
        if not self.way:
            yield Fault("channel", "is required, or a route of several")
        elif self.channel is not None and self.channel != self.way[0]:
            yield Fault("channel", "must be the first of the route where both are given")
        if len(set(self.way)) != len(self.way):
            yield Fault("route", "must not name a channel twice")
        if "email" in self.way and self.customer.email is None:
            yield Fault("customer.email", "is required where the route names email")


class PaymentBody(AskBody):
    """A payment as asked for over `/v1`."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    external_id: fields.Reference | None = None
    send_at: fields.Instant | None = None
    due_at: fields.Instant | None = None
    expires_at: fields.Instant | None = None

    def fingerprint(self) -> str:
        """What tells a repeat from another request: the meaning, not the spelling."""
        # Who asks is not what is asked for: another clerk's repeat is a repeat.
        said = self.model_dump(exclude_none=True, exclude={"channel", "route", "created_by"})
        return payments.request_hash(said | {"route": self.way})

    def request(self, idempotency_key: str | None) -> PaymentRequest:
        """The same for the handlers."""
        return PaymentRequest(
            phone=self.customer.phone,
            money=Money(self.amount_minor, self.currency),
            route=self.way,
            created_by=self.created_by,
            request_hash=self.fingerprint(),
            name=self.customer.name,
            email=self.customer.email,
            locale=self.customer.locale,
            telegram_chat_id=self.customer.telegram_chat_id,
            concept=self.concept,
            external_id=self.external_id,
            idempotency_key=idempotency_key,
            notify=self.notify,
            reminders=self.reminders,
            send_at=self.send_at,
            due_at=self.due_at,
            expires_at=self.expires_at,
        )


class CancelBody(_Body):
    """Who stops it."""

    by: fields.Actor = "api"


class ResendBody(_Body):
    """How to send a link again; `accept_risk` says that an earlier link may be payable too."""

    channel: fields.CourierWord | None = None
    accept_risk: bool = False
    by: fields.Actor = "api"


class ReplaceBody(_Body):
    """Who takes it upon them that the customer may be able to pay both links.

    With `uid`, the link that they saw, one that took its place since is left as it is.
    """

    accept_risk: bool = False
    by: fields.Actor | None = None
    uid: fields.Reference | None = None


class AcceptBody(_Body):
    """Who accepts the amount that came."""

    by: fields.Actor


Model = TypeVar("Model", bound=_Body)


async def read_as(
    request: Request, model: type[Model], *, rules: Rules, is_optional: bool = False
) -> Model:
    """Read a request's body as `model`.

    Args:
        request: its body is counted while it streams, 256 KiB at most.
        model: what it must be.
        rules: with the country of telephone numbers without a plus, and the reminder plans.
        is_optional: an empty body stands for an object without fields.

    Raises:
        BodyError: no JSON object, too large, or another content type.
        FaultyError: fields are wrong, missing or unknown.
    """
    try:
        body = await read_body(request, MAX_BODY_BYTES)
    except TooLargeError:
        raise BodyError(413, "too_large", "the body is over 256 KiB") from None
    if is_optional and not body:
        return model()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise BodyError(415, "not_json", f"send the body as {_JSON}")
    try:
        document = strict_json.loads(body)
    except strict_json.JsonError as error:
        raise BodyError(400, "bad_json", f"the body cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise BodyError(400, "bad_json", "the body must be a JSON object")
    return _checked(model, document, rules)


_JSON = "application/json"


def _checked(model: type[Model], document: object, rules: Rules) -> Model:
    try:
        found = model.model_validate(document, context={"rules": rules})
    except ValidationError as error:
        raise FaultyError(faults_of(error)) from None
    if faults := list(found.crossed()):
        raise FaultyError(faults)
    return found


def faults_of(error: ValidationError) -> list[Fault]:
    """Every fault that a model found, without the values."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return [fault_of(each["loc"], each["type"], each["msg"]) for each in details]


_WORDS = {"missing": "is required", "extra_forbidden": "is not known here; check its spelling"}


def fault_of(loc: Sequence[int | str], kind: str, message: str) -> Fault:
    """Put one of pydantic's findings into words that follow the field's path."""
    path = ".".join(str(part) for part in loc)[:100]
    said = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return Fault(path, _WORDS.get(kind, said))


def read_idempotency_key(request: Request) -> str | None:
    """The request's own key, if it has one.

    Raises:
        BodyError: the header is empty, over 255 characters or not printable ASCII.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        message = "Idempotency-Key must be 1 to 255 printable ASCII characters"
        raise BodyError(400, "bad_key", message)
    return key


def check_now(body: PaymentBody, rules: Rules, now: datetime) -> None:
    """Check what depends on the time and on this installation.

    Raises:
        FaultyError: a channel is off, a currency not enabled, or the times are past or crossed.
    """
    if faults := [*off_here(body, rules), *_ill_timed(body, now)]:
        raise FaultyError(faults)


def check_channel(body: ResendBody, rules: Rules) -> None:
    """Check that the channel to send over is on.

    Raises:
        FaultyError: it is off.
    """
    on = sorted(name.value for name in rules.couriers)
    if body.channel is not None and body.channel not in on:
        raise FaultyError([Fault("channel", _is_off(body.channel, on))])


def _is_off(name: str, on: Sequence[str]) -> str:
    return f"{name} is off here; on: {', '.join(on) or 'none'}"


def channels_on(rules: Rules) -> list[str]:
    """The channels that a route may name here."""
    able = WITHOUT_COURIER | {name.value for name in rules.couriers}
    return sorted(able & rules.migo_channels.keys())


def off_here(body: AskBody, rules: Rules) -> Iterator[Fault]:
    """What this installation cannot do: channels that are off, a currency not enabled."""
    on = channels_on(rules)
    off = [name for name in body.way if name not in on]
    if off:
        where = "channel" if body.route is None else "route"
        yield Fault(where, _is_off(", ".join(off), on))
    target = None if body.notify is None else parse_target(body.notify)
    if target is not None and target.channel not in rules.couriers:
        yield Fault("notify", f"{target.channel.value} is off here")
    if body.currency not in rules.currencies:
        enabled = ", ".join(sorted(rules.currencies))
        yield Fault("currency", f"is not enabled; enabled: {enabled}")


def _ill_timed(body: PaymentBody, now: datetime) -> Iterator[Fault]:
    given = [("send_at", body.send_at), ("due_at", body.due_at), ("expires_at", body.expires_at)]
    before: tuple[str, datetime] | None = None
    for name, at in given:
        if at is None:
            continue
        if not now < at <= now + MAX_AHEAD:
            yield Fault(name, f"must be in the future, {MAX_AHEAD.days} days ahead at most")
        elif before is not None and at < before[1]:
            yield Fault(name, f"must not come before {before[0]}")
        before = (name, at)
