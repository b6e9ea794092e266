"""Talks to the running service's `/v1`, and turns every way it can fail into one line."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from bot.cli.errors import FailedError, WrongError
from bot.settings import LocalSettings, SettingsError

Json = dict[str, Any]

_TIMEOUT_S = 30.0
_REPEATS = 2
"""A create is safe to repeat under its key, so a lost answer is asked for again."""


def local_settings() -> LocalSettings:
    """What the verbs need to know: where the service is, and its token.

    Raises:
        WrongError: a setting is wrong.
    """
    try:
        return LocalSettings.load(os.environ, Path(".env"))
    except SettingsError as error:
        raise WrongError("; ".join(error.problems)) from None


class Service:
    """The service over HTTP; use it as a context manager."""

    def __init__(
        self, settings: LocalSettings, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Find the token; `transport` reaches the service without a socket.

        Raises:
            WrongError: there is none.
        """
        token = settings.api_token()
        if token is None:
            raise WrongError(
                f"there is no token in {settings.store.token_path}; start `paybot serve` in this "
                "folder, or set PAYBOT_TOKEN"
            )
        if not (token.isascii() and token.isprintable()):
            raise WrongError("PAYBOT_TOKEN has characters that no token has")
        self._url = settings.client.url
        self._http = httpx.Client(
            base_url=f"{self._url}/v1",
            headers={"authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> "Service":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def create(self, body: Mapping[str, object]) -> Json:
        """Create a payment; repeated under one key if an answer is lost."""
        return self._create("/payments", body, None)

    def _create(self, path: str, body: Mapping[str, object], key: str | None) -> Json:
        headers = {"idempotency-key": key or secrets.token_hex(16)}
        for _ in range(_REPEATS):
            try:
                return self._read(self._http.post(path, json=body, headers=headers))
            except httpx.ConnectError:
                raise self._unreachable() from None
            except httpx.TransportError:
                continue
        raise FailedError("the service did not answer; look with `paybot list` before repeating")

    def read(self, payment_id: str) -> Json:
        """One payment."""
        return self._ask("GET", f"/payments/{_segment(payment_id)}")

    def page(self, **query: object) -> Json:
        """A page of payments: `{"payments", "next_cursor"}`."""
        return self._ask("GET", "/payments", params=_given(query))

    def cancel(self, payment_id: str, body: Mapping[str, object]) -> Json:
        """Stop asking for a payment."""
        return self._ask("POST", f"/payments/{_segment(payment_id)}/cancel", body=body)

    def resend(self, payment_id: str, body: Mapping[str, object]) -> Json:
        """Send a payment's link again."""
        return self._ask("POST", f"/payments/{_segment(payment_id)}/resend", body=body)

    def replace(self, payment_id: str, body: Mapping[str, object]) -> Json:
        """Have another link made for a payment."""
        return self._ask("POST", f"/payments/{_segment(payment_id)}/replace", body=body)

    def accept(self, payment_id: str, body: Mapping[str, object]) -> Json:
        """Take the amount that came for a payment."""
        return self._ask("POST", f"/payments/{_segment(payment_id)}/accept", body=body)

    def upload(self, content: bytes, kind: str, query: Mapping[str, str]) -> Json:
        """Have a file of payments checked."""
        headers = {"content-type": kind}
        return self._read(
            self._answer("POST", "/bulk", content=content, headers=headers, params=query)
        )

    def bulk(self, batch_id: str) -> Json:
        """Where a batch stands."""
        return self._ask("GET", f"/bulk/{_segment(batch_id)}")

    def move_bulk(self, batch_id: str, verb: str) -> Json:
        """Confirm, pause, resume or cancel a batch."""
        return self._ask("POST", f"/bulk/{_segment(batch_id)}/{verb}")

    def bulk_result(self, batch_id: str) -> bytes:
        """What became of every row, as CSV."""
        answer = self._answer("GET", f"/bulk/{_segment(batch_id)}/result.csv")
        if not answer.is_success:
            self._read(answer)
        return answer.content

    def add_schedule(self, body: Mapping[str, object], key: str | None) -> Json:
        """Add a schedule; repeated under one key if an answer is lost."""
        return self._create("/schedules", body, key)

    def schedules(self, **query: object) -> Json:
        """A page of schedules: `{"schedules", "next_cursor"}`."""
        return self._ask("GET", "/schedules", params=_given(query))

    def schedule(self, schedule_id: str) -> Json:
        """One schedule with its next dates and periods."""
        return self._ask("GET", f"/schedules/{_segment(schedule_id)}")

    def move_schedule(self, schedule_id: str, verb: str, body: Mapping[str, object]) -> Json:
        """Pause or resume a schedule, or have it skip a period."""
        return self._ask("POST", f"/schedules/{_segment(schedule_id)}/{verb}", body=body)

    def remove_schedule(self, schedule_id: str, by: str) -> Json:
        """End a schedule."""
        return self._ask("DELETE", f"/schedules/{_segment(schedule_id)}", params={"by": by})

    def preview(self, days: int) -> Json:
        """What would be sent in the days to come: `{"until", "planned"}`."""
        return self._ask("GET", "/preview", params={"days": str(days)})

    def alerts(self) -> Json:
        """What waits for a person: `{"alerts"}`."""
        return self._ask("GET", "/alerts")

    def alert(self, alert_id: int) -> Json:
        """One alert with what came from outside and led to it."""
        return self._ask("GET", f"/alerts/{alert_id}")

    def close_alert(self, alert_id: int, body: Mapping[str, object]) -> Json:
        """Say that an alert needs nobody any more."""
        return self._ask("POST", f"/alerts/{alert_id}/close", body=body)

    def staff(self) -> Json:
        """Everybody of the staff: `{"staff"}`."""
        return self._ask("GET", "/staff")

    def audit(self, **query: object) -> Json:
        """A page of what people did: `{"entries", "next_cursor"}`."""
        return self._ask("GET", "/staff/audit", params=_given(query))

    def invite_staff(self, body: Mapping[str, object]) -> Json:
        """A one-time way in for a new member of staff."""
        return self._ask("POST", "/staff/invites", body=body)

    def set_staff_role(self, staff_id: int, body: Mapping[str, object]) -> Json:
        """Give a member of staff another role."""
        return self._ask("POST", f"/staff/{staff_id}/role", body=body)

    def remove_staff(self, staff_id: int, body: Mapping[str, object]) -> Json:
        """Put a member of staff out."""
        return self._ask("POST", f"/staff/{staff_id}/remove", body=body)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Json:
        return self._read(self._answer(method, path, json=body, params=params))

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except httpx.ConnectError:
            raise self._unreachable() from None
        except httpx.TransportError as error:
            raise FailedError(f"{self._url} did not answer: {type(error).__name__}") from None

    def _unreachable(self) -> FailedError:
        return FailedError(
            f"nothing answers at {self._url}; start it with `paybot serve`, or set PAYBOT_URL"
        )

    def _read(self, answer: httpx.Response) -> Json:
        try:
            document = answer.json()
        except ValueError:
            document = None
        if answer.is_success and isinstance(document, dict):
            return document
        error = document.get("error") if isinstance(document, dict) else None
        if not isinstance(error, dict):
            raise FailedError(f"{self._url} answered {answer.status_code}, not as a paybot does")
        if answer.status_code == 401:
            raise WrongError(f"{self._url} refused the token; set PAYBOT_TOKEN to one of its own")
        if answer.status_code in (400, 413, 415, 422):
            raise WrongError(_fields(error))
        if answer.status_code == 404 and answer.request.method == "GET":
            raise WrongError(str(error.get("message")))
        raise FailedError(str(error.get("message")))


def _fields(error: Json) -> str:
    faults = [f"{each['field']} {each['message']}" for each in error.get("fields", ())]
    return "; ".join(faults) or str(error.get("message"))


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value is not None}


def _segment(some_id: str) -> str:
    """A payment's, batch's or schedule's id as part of a path.

    Raises:
        WrongError: it cannot be an id.
    """
    if not some_id.isascii() or not some_id.replace("_", "").replace("-", "").isalnum():
        raise WrongError("an id looks like pay_0123456789; `paybot list` shows those of payments")
    return some_id
