"""What Twilio sends to us: proves it, and reads inbound messages and delivery reports.

Pure; both channels use it, for a request says itself which of them it is about.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from twilio.request_validator import RequestValidator

from channels.base import (
    Address,
    ChannelName,
    DeliveryReport,
    InboundEvent,
    InboundMessage,
    RawRequest,
)
from channels.errors import BadSignatureError, MalformedError
from channels.twilio.account import TwilioAccount
from channels.twilio.codes import FAILURES, STATES, refusal_of
from channels.twilio.media import attachment_of, document_of

_MAX_FIELDS: Final = 500
_WRITTEN: Final = frozenset({"Body", "ButtonText", "ListTitle", "ProfileName", "Label", "Address"})
"""Parameters of what a person wrote or chose; the others are numbers, ids and kinds."""
_WHATSAPP: Final = "whatsapp:"
_build_validator: Callable[..., Any] = RequestValidator


class _Form(dict[str, str]):
    """A form as Twilio's validator wants it: every value of a repeated name counts."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name: str) -> list[str]:
        """All values of `name`."""
        return [value for each, value in self.pairs if each == name]


class TwilioWebhooks:
    """Checks and reads the requests of one account."""

    def __init__(self, account: TwilioAccount) -> None:
        """Take the account; each of its tokens proves a request."""
        self._account_sid = account.account_sid
        self._validators = [_build_validator(token) for token in account.auth_tokens]

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Turn away what has no signature; one that is there can only be told by the body.

        Raises:
            BadSignatureError: there is none.
        """
        if not headers.get("x-twilio-signature", ""):
            raise BadSignatureError("no signature")

    def verify(self, request: RawRequest) -> str | None:
        """Check the signature over the URL that Twilio was told and every parameter.

        Returns:
            The message's id for an inbound message, "<id>:<status>:<code>" for a report, so that
            a repeat is known; None for a request that names neither.

        Raises:
            BadSignatureError: it is missing or wrong, or the account is not ours.

        Source: Twilio docs, "Webhooks Security". The signature has no time in it: the event id is
        what stops a replay.
        """
        self.check_headers(request.headers)
        signature = request.headers["x-twilio-signature"]
        try:
            form = _Form([]) if _is_json(request) else _read(request)
            signed: str | _Form = request.body.decode("utf-8") if _is_json(request) else form
        except (MalformedError, UnicodeDecodeError):
            raise BadSignatureError("no body that Twilio signs") from None
        # Each token is tried, whichever fits, so that the time taken does not tell.
        fits = [each.validate(request.url, signed, signature) for each in self._validators]
        if not any(fits):
            raise BadSignatureError("wrong signature")
        if not _is_json(request) and form.get("AccountSid") != self._account_sid:
            raise BadSignatureError("another account")
        return _event_id(form)

    def cover(self, request: RawRequest, hide: Callable[[str], str]) -> bytes:
        """See `InboundChannel.cover`; the other parameters stay as they are."""
        try:
            if _is_json(request):
                return hide(request.body.decode("utf-8")).encode()
            pairs = _read(request).pairs
        except (MalformedError, UnicodeDecodeError):
            return request.body
        covered = [(name, hide(value) if name in _WRITTEN else value) for name, value in pairs]
        return request.body if covered == list(pairs) else urlencode(covered).encode()

    def parse(self, request: RawRequest) -> Sequence[InboundEvent]:
        """Read a verified request.

        Returns:
            One event, or none for a kind that is not known.

        Raises:
            MalformedError: the bytes are no form, or lack what each message has.
        """
        if _is_json(request):
            return ()
        form = _read(request)
        if not form:
            raise MalformedError("an empty form")
        sid = _sid(form)
        if sid is None:
            return ()
        if "MessageStatus" in form:
            ref = parse_qs(urlsplit(request.url).query).get("m", [None])[0]
            found = report(sid, form["MessageStatus"], form.get("ErrorCode", ""), ref=ref)
            return () if found is None else (found,)
        return _inbound(sid, form)


def report(sid: str, status: str, code: str, *, ref: str | None = None) -> DeliveryReport | None:
    """A status as a delivery report; None for a status of inbound messages or an unknown one.

    Args:
        sid: the message's.
        status: Twilio's word.
        code: Twilio's error code, empty or "0" for none.
        ref: our own name of the delivery.
    """
    state = STATES.get(status)
    if state is None:
        return None
    error_code = None if code in ("", "0") else code
    return DeliveryReport(
        event_id=f"{sid}:{status}:{code}",
        provider_id=sid,
        state=state,
        code=error_code,
        refusal=refusal_of(error_code) if state in FAILURES else None,
        message_ref=ref,
    )


def _is_json(request: RawRequest) -> bool:
    """Whether the body is no form; its hash is in the URL then, which the signature covers.

    Source: Twilio docs, "Webhooks Security", "Validation with application/json".
    """
    return "bodySHA256" in parse_qs(urlsplit(request.url).query)


def _read(request: RawRequest) -> _Form:
    """The form, blank values kept; NUL left out, which no database keeps.

    Raises:
        MalformedError: not UTF-8, or more fields than any request of Twilio's.
    """
    try:
        text = request.body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise MalformedError("no form") from None
    return _Form(pairs)


def _sid(form: Mapping[str, str]) -> str | None:
    return form.get("MessageSid") or form.get("SmsSid") or None


def _event_id(form: Mapping[str, str]) -> str | None:
    sid = _sid(form)
    if sid is None or "MessageStatus" not in form:
        return sid
    return f"{sid}:{form['MessageStatus']}:{form.get('ErrorCode', '')}"


def _inbound(sid: str, form: Mapping[str, str]) -> Sequence[InboundMessage]:
    """What a person wrote or tapped; nothing for channels that we do not speak.

    Source: Twilio docs, "Twilio's Request to your Incoming Message Webhook URL"; the id that a
    person without number has is called `ExternalUserId` there, in the changelog of 2026-07-20
    `ExternalUserIdentifier`.
    """
    sender = _address(_text(form, "From"))
    if "From" not in form or "To" not in form:
        raise MalformedError("a message without addresses")
    if sender is None:
        return ()
    alias = _address(_text(form, "ExternalUserId") or _text(form, "ExternalUserIdentifier"))
    kept = ("MediaUrl0", "MediaContentType0", "NumMedia", "MessageType", "Forwarded")
    return (
        InboundMessage(
            event_id=sid,
            sender=sender,
            text=_text(form, "Body") or "",
            recipient=_text(form, "To"),
            payload=_text(form, "ButtonPayload"),
            replied_to=_text(form, "OriginalRepliedMessageSid"),
            sender_name=_text(form, "ProfileName"),
            opt_out=_text(form, "OptOutType"),
            aliases=() if alias is None or alias == sender else (alias,),
            extra={
                **{name: value for name in kept if (value := _text(form, name))},
                **({"button_text": label} if (label := _text(form, "ButtonText")) else {}),
                **document_of(form),
                **attachment_of(form),
            },
        ),
    )


def _text(form: Mapping[str, str], name: str) -> str | None:
    """A field's text; None for an empty one. No database keeps a NUL."""
    return form.get(name, "").replace("\0", "") or None


def _address(value: str | None) -> Address | None:
    """An address as people have them: a number bare on both channels, a WhatsApp id prefixed."""
    if not value:
        return None
    if value.startswith(_WHATSAPP):
        bare = value.removeprefix(_WHATSAPP)
        return Address(ChannelName.WHATSAPP, bare if bare.startswith("+") else value)
    if ":" in value:
        return None
    return Address(ChannelName.SMS, value)
