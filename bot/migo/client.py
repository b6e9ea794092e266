"""Asks Migo for payment links.

One `create_link` is one HTTP exchange on a fresh connection: no retry, no redirect, no second
thought. It ends in a link or in exactly one error of `errors.py`; what follows is decided
elsewhere.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import httpx

from bot.domain.money import Money
from bot.domain.strict_json import Json, JsonError, Members, dumps, skim
from bot.migo.amounts import encode_amount
from bot.migo.callback import EXTERNAL_ID_KEY
from bot.migo.config import MigoConfig, UserIdForm
from bot.migo.errors import (
    AmountRejectedError,
    AnswerLostError,
    AnswerUnreadableError,
    ChannelNotMappedError,
    CurrencyNotEnabledError,
    LinkNotAllowedError,
    MigoError,
    UnreachableError,
    error_for,
)
from bot.migo.links import LinkError, check_link
from channels.errors import NotSentError, UncertainError
from channels.outcome import exchange, read_capped, retry_after_s

_MAX_UID_CHARS = 128
_CODE = re.compile(r"[0-9]{1,9}")
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class CreateLink:
    """A link wanted.

    Args:
        money: the subtotal.
        phone: the customer's, E.164 with the plus.
        migo_channel: one of the values of `MigoConfig.channels`.
        external_id: our name for this attempt, `<payment>.<attempt>`; repeated among the custom
            keys, so that a callback can be matched even if the answer gets lost.
        created_by: who asked for it, shown in Migo's dashboard.
        custom_keys: kept verbatim by Migo; seen by its webview and callback templates.
        customer_id: our id of the customer, for Migo's records.
        processor_amount: processor name to another amount, at most `money`.
        subscription_data: kept verbatim by Migo.
    """

    money: Money
    phone: str = field(repr=False)
    migo_channel: str
    external_id: str
    created_by: str
    custom_keys: Mapping[str, Json] = field(default_factory=dict)
    customer_id: str | None = None
    processor_amount: Mapping[str, Money] | None = None
    subscription_data: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class LinkCreated:
    """A link that Migo made: its opaque id, its human-friendly name if given, and its URL."""

    uid: str
    reference: str | None
    url: str = field(repr=False)


class MigoClient:
    """Makes links for one merchant."""

    def __init__(self, http: httpx.AsyncClient, *, config: MigoConfig) -> None:
        """Talk to Migo through `http`.

        Args:
            http: from `channels.outcome.new_client` with `keep_alive=False`; closed by its owner.
            config: the merchant's account.
        """
        self._http = http
        self._config = config

    async def create_link(self, wanted: CreateLink) -> LinkCreated:
        """Make one link. Not safe to repeat: Migo knows no idempotency key.

        Raises:
            RefusedError: this request will not get a link; some are raised before any call.
            NotCreatedError: surely no link; asking again is safe.
            UnknownOutcomeError: a link may exist; `uid` names it where the answer did.
            asyncio.CancelledError: passed through; treat as an unknown outcome.

        Source: Migo docs, "Create a Payment Link".
        """
        answer = await self._post(dumps(self._fields(wanted)))
        if not answer.is_success:
            raise _error(answer)
        return self._link(answer.content)

    def _fields(self, wanted: CreateLink) -> dict[str, Json]:
        """The body. `ads` is reserved and empty; the currency is always named, never defaulted."""
        self._check(wanted)
        config = self._config
        keeps_plus = config.user_id is UserIdForm.PLUS
        fields: dict[str, Json] = {
            "amount": encode_amount(wanted.money, config.amount_unit),
            "userId": wanted.phone if keeps_plus else wanted.phone.removeprefix("+"),
            "channel": wanted.migo_channel,
            "client": config.client,
            "ads": [],
            "currency": wanted.money.currency,
            EXTERNAL_ID_KEY: wanted.external_id,
            "customKeys": {**wanted.custom_keys, EXTERNAL_ID_KEY: wanted.external_id},
            "createdBy": wanted.created_by,
        }
        if wanted.customer_id is not None:
            fields["customerId"] = wanted.customer_id
        if wanted.processor_amount is not None:
            fields["processorAmount"] = {
                processor: encode_amount(money, config.amount_unit)
                for processor, money in wanted.processor_amount.items()
            }
        if wanted.subscription_data is not None:
            fields["subscriptionData"] = dict(wanted.subscription_data)
        return fields | self._key_pair()

    def _check(self, wanted: CreateLink) -> None:
        """Refuse what Migo would refuse, and what it would silently change."""
        if wanted.money.currency not in self._config.currencies:
            raise CurrencyNotEnabledError
        if wanted.migo_channel not in self._config.channels.values():
            raise ChannelNotMappedError
        for money in (wanted.processor_amount or {}).values():
            if money.currency != wanted.money.currency or money.minor > wanted.money.minor:
                raise AmountRejectedError
        if wanted.money.minor == 0:
            raise AmountRejectedError

    def _key_pair(self) -> dict[str, Json]:
        if self._config.token:
            return {}
        return {"publicKey": self._config.public_key, "privateKey": self._config.private_key}

    async def _post(self, body: bytes) -> "_Answer":
        token = self._config.token
        path = "/transactions" if token else "/transactions-hook"
        # A pooled socket that went stale would turn "surely not created" into "nobody knows".
        headers = {"content-type": "application/json", "connection": "close"}
        if token:
            headers["authorization"] = token
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await self._exchange(self._config.base_url.rstrip("/") + path, headers, body)
        except NotSentError as error:
            raise UnreachableError from error
        except (UncertainError, TimeoutError) as error:
            raise AnswerLostError from error

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> "_Answer":
        with exchange():
            async with self._http.stream(
                "POST",
                url,
                content=body,
                headers=headers,
                timeout=httpx.Timeout(self._config.timeout_s, connect=_CONNECT_TIMEOUT_S),
                follow_redirects=False,
            ) as response:
                content = await read_capped(response)
        return _Answer(response.status_code, content, retry_after_s(response.headers))

    def _link(self, body: bytes) -> LinkCreated:
        fields = _fields(body)
        uid = _identifier(_read(fields, "uid"))
        # Upper case, exactly as documented; a lower-case one would be somebody else's field.
        url = _read(fields, "URL")
        if uid is None or not isinstance(url, str):
            raise AnswerUnreadableError(uid=uid)
        try:
            check_link(url, self._config.own_link_hosts)
        except LinkError as error:
            raise LinkNotAllowedError(uid=uid) from error
        return LinkCreated(uid, _identifier(_read(fields, "reference")), url)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes = field(repr=False)
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def _fields(body: bytes) -> Members:
    """The answer as an object; empty if it is anything else."""
    try:
        return skim(body)
    except JsonError:
        return Members({})


def _read(fields: Members, name: str) -> Json:
    """A field of the answer; None for one that may not be trusted."""
    try:
        return fields.read(name)
    except JsonError:
        return None


def _error(answer: _Answer) -> MigoError:
    own_code = _own_code(_read(_fields(answer.content), "ownCode"))
    return error_for(answer.status, own_code, retry_after_s=answer.retry_after_s)


def _own_code(value: Json) -> int | None:
    """Migo's code, a number or a numeric string: its type is not documented."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, str) and _CODE.fullmatch(value.strip()):
        return int(value)
    return value if isinstance(value, int) else None


def _identifier(value: Json) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_UID_CHARS:
        return None
    return value if value.isprintable() and value == value.strip() else None
