"""Faults to order: what the next call to a provider, or its next webhook, shall suffer.

One mechanism for all providers. An order names a provider, an operation and a kind; the first
matching order is used up by the first matching call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """The answer or the webhook comes `seconds` later."""
    DROP_ANSWER = "drop_answer"
    """The request is carried out, then the connection closes without an answer."""
    REFUSE = "refuse"
    """The provider says no: `status` with `body`, or its own `code`."""
    THROTTLE = "throttle"
    """Too many requests; `retry_after` seconds."""
    SERVER_ERROR = "server_error"
    """`status` 500 and the like; with `done` true the request was carried out all the same."""
    DUPLICATE = "duplicate"
    """The webhook comes `copies` times."""
    REORDER = "reorder"
    """The webhook waits until the next one of its kind has gone out."""
    NEVER = "never"
    """The webhook never comes."""
    GARBAGE = "garbage"
    """The request is carried out and answered with bytes that mean nothing."""
    ALTER = "alter"
    """The webhook is changed: `how` names the change."""


@dataclass(slots=True)
class Fault:
    """An order; `times` counts down to zero."""

    provider: str
    operation: str
    kind: FaultKind
    times: int = 1
    details: Mapping[str, object] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """Read a detail as a number, `default` where it is missing or no number."""
        value = self.details.get(name, default)
        return float(value) if isinstance(value, int | float | str) else default

    def text(self, name: str, default: str = "") -> str:
        """Read a detail as text, `default` where it is missing."""
        value = self.details.get(name)
        return default if value is None else str(value)


class Faults:
    """The orders not used up yet, oldest first."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def order(
        self,
        provider: str,
        operation: str,
        kind: FaultKind | str,
        times: int = 1,
        **details: object,
    ) -> Fault:
        """Let the next `times` calls of an operation suffer a fault.

        Args:
            provider: migo, twilio, telegram or smtp.
            operation: migo `create`, `callback`; twilio `create`, `list`, `fetch`, `deliver`,
                `status`, `inbound`; telegram a method's name, or `update`; smtp `rcpt`, `data`.
                `*` is any.
            kind: see `FaultKind`.
            times: how many calls suffer it, at least 1.
            details: as the kind describes.

        Raises:
            ValueError: unknown kind, or `times` below 1.
        """
        if times < 1:
            raise ValueError("a fault is ordered at least once")
        fault = Fault(provider, operation, FaultKind(kind), times, details)
        self._orders.append(fault)
        return fault

    def take(self, provider: str, operation: str) -> Fault | None:
        """Use up one turn of the oldest order that fits, if there is one."""
        for fault in self._orders:
            # First in, first out: a test can line up faults for one call after another.
            if fault.provider == provider and fault.operation in (operation, "*"):
                return self.take_this(fault)
        return None

    def take_this(self, fault: Fault) -> Fault:
        """Use up one turn of an order known to be pending."""
        fault.times -= 1
        if fault.times <= 0:
            self._orders.remove(fault)
        return fault

    def pending(self) -> list[Fault]:
        """List the orders that wait for their call."""
        return list(self._orders)

    def clear(self) -> None:
        """Withdraw every order."""
        self._orders.clear()
