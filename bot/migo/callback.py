"""Migo's callback: whether it may be believed, and what it says.

The gate compares the agreed static header; parsing is pure, tolerant of what Migo may add or
write otherwise, and strict about what two readers could understand differently.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.money import AmountError, Money
from bot.domain.payment import FactStatus
from bot.domain.strict_json import Json, JsonError, Members, skim
from bot.migo.amounts import AmountUnit, decode_amount

MigoStatus = FactStatus
"""What a callback reports, in the very words in which a fact is booked."""

MIN_SECRET_CHARS = 16
EXTERNAL_ID_KEY = "externalId"
"""Under this name our id goes out and comes back, as a field and among the custom keys."""

_MAX_TEXT_CHARS = 200
_BEARER = re.compile(r"bearer +", re.IGNORECASE)
_EXTERNAL_ID = re.compile(r"(?P<payment>[\w.:-]{1,100})\.(?P<attempt>[1-9][0-9]{0,5})", re.ASCII)


class CallbackError(ValueError):
    """An authentic callback that cannot be read; kept as bytes and shown to a person."""


class CallbackGate:
    """Knows the header and the secrets that prove a callback comes from Migo.

    Several secrets are valid side by side while one is being replaced.

    Source: Migo docs, "Merchant Generic Callback", Authenticating the request: a static header
    agreed with Migo, none by default, no signature.
    """

    def __init__(self, header: str, secrets: tuple[str, ...]) -> None:
        """Refuse to stand open.

        Args:
            header: name of the header, as "x-api-key" or "authorization".
            secrets: at least one, each of at least 16 ASCII characters without spaces around.

        Raises:
            ValueError: no header, no secret, or one that is empty, short or cannot be a header.
        """
        if not header.strip():
            raise ValueError("the callback header needs a name")
        self._header = header.strip().lower()
        self._secrets = tuple(self._proof(secret) for secret in secrets)
        if not self._secrets or any(not _is_secret(secret) for secret in self._secrets):
            raise ValueError(f"a callback secret has at least {MIN_SECRET_CHARS} ASCII characters")

    def matching(self, headers: Mapping[str, str]) -> int | None:
        """Which secret the request proves, by its place in the list; None for none of them.

        Every secret is compared, in constant time, whatever the first comparison said.
        """
        given = "".join(value for name, value in headers.items() if name.lower() == self._header)
        proof = self._proof(given)
        # A list, not any(...) over a generator: time must not tell how far the comparing went.
        found = [hmac.compare_digest(proof, secret) for secret in self._secrets]
        return found.index(True) if any(found) else None

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the request proves any of the secrets."""
        return self.matching(headers) is not None

    def _proof(self, value: str) -> bytes:
        text = value.strip()
        if self._header == "authorization":
            text = _BEARER.sub("", text, count=1) if _BEARER.match(text) else text
        return text.encode("utf-8", "surrogatepass")


def check_callback(headers: Mapping[str, str], *, header: str, secrets: tuple[str, ...]) -> bool:
    """Whether the request carries one of `secrets` in `header`.

    Raises:
        ValueError: as `CallbackGate`, which a caller with more than one request keeps.
    """
    return CallbackGate(header, secrets).admits(headers)


@dataclass(frozen=True, slots=True)
class ExternalId:
    """Our own name for one attempt to make a link, on the wire `<payment>.<attempt>`."""

    payment: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.payment}.{self.attempt}"


@dataclass(frozen=True, slots=True)
class Callback:
    """What one callback says.

    `money` is None if amount or currency is missing or cannot be taken; then `amount_text` and
    `currency` keep what was written. `body_hash` is the SHA-256 of the bytes, in hexadecimal.
    """

    uid: str
    status: MigoStatus
    status_text: str
    body_hash: str
    reference: str | None = None
    money: Money | None = None
    amount_text: str | None = None
    currency: str | None = None
    external_id: ExternalId | None = None
    client: str | None = None


def parse_callback(body: bytes, *, unit: AmountUnit) -> Callback:
    """Read the body of a callback that the gate admitted.

    Unknown fields are ignored whatever is in them, an unknown status becomes `other`, numbers may
    be strings.

    Args:
        body: the bytes as received.
        unit: what one counts in `amount`; the same setting as in requests.

    Raises:
        CallbackError: no JSON object, too large a one, a field that is read and not trustworthy
            (see `strict_json.skim`), or no uid. Nothing else.

    Source: Migo docs, "Create a Payment Link", Receiving the result: `{uid, reference, status,
    amount, currency, ...}`; field types are not documented.
    """
    try:
        return _callback(skim(body), body, unit)
    except JsonError as error:
        raise CallbackError(f"{error}{_named(body)}") from error


def _callback(fields: Members, body: bytes, unit: AmountUnit) -> Callback:
    uid = _text(fields.read("uid"))
    if uid is None or not uid.isprintable():
        raise JsonError("no uid")
    status_text = _text(fields.read("status")) or ""
    amount, currency = fields.read("amount"), _text(fields.read("currency"))
    return Callback(
        uid=uid,
        status=read_status(status_text),
        status_text=status_text,
        body_hash=hashlib.sha256(body).hexdigest(),
        reference=_text(fields.read("reference")),
        money=_money(amount, currency, unit),
        amount_text=_text(amount),
        currency=currency.upper() if currency else None,
        external_id=_external_id(fields),
        client=_text(fields.read("client")),
    )


_NAMED = {
    name: re.compile(rb'"%s"\s*:\s*"?([!#-\[\]-~]{1,100})"?\s*[,}]' % name.encode())
    for name in ("uid", "reference")
}


def _named(body: bytes) -> str:
    """What bytes that cannot be read seem to be about, for the person who looks at them."""
    found = {name: pattern.search(body) for name, pattern in _NAMED.items()}
    named = [f"{name} {match[1].decode('ascii')}" for name, match in found.items() if match]
    return f"; it names {', '.join(named)}" if named else ""


def read_status(text: str) -> MigoStatus:
    """Migo's status whatever its case; anything unknown is `other`, never an error."""
    try:
        return MigoStatus(text.strip().lower())
    except ValueError:
        return MigoStatus.OTHER


def _is_secret(secret: bytes) -> bool:
    return len(secret) >= MIN_SECRET_CHARS and all(0x21 <= byte <= 0x7E for byte in secret)


def _text(value: Json) -> str | None:
    """A string or a number as trimmed text; None for anything else, empty or too long."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= _MAX_TEXT_CHARS else None


def _money(amount: Json, currency: str | None, unit: AmountUnit) -> Money | None:
    if currency is None:
        return None
    try:
        return decode_amount(amount, currency.upper(), unit)
    except AmountError:
        # Booked without money, the fact differs from what was asked, so a person looks at it.
        return None


def _external_id(fields: Members) -> ExternalId | None:
    # Migo promises custom keys to callback templates only, and externalId nowhere: try both.
    for value in (fields.read(EXTERNAL_ID_KEY), fields.inner("customKeys").read(EXTERNAL_ID_KEY)):
        match = _EXTERNAL_ID.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            return ExternalId(match["payment"], int(match["attempt"]))
    return None
