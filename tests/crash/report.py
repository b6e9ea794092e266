"""What a torture scenario found: one line to print, and whether it may pass.

A fault that never bit is as bad as a broken promise: nobody learns anything from such a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil


@dataclass(slots=True)
class Report:
    """The figures of one scenario, the promises it saw broken and the faults that did not bite."""

    name: str
    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    suspicions: list[str] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        return not (self.violations or self.suspicions)

    def must(self, holds: object, what: str) -> None:
        """Note a promise; broken ones fail the run."""
        if not holds:
            self.violations.append(what)

    def none_of(self, name: str, found: Sequence[object]) -> None:
        """Count what must not be there, and keep the first few to look at."""
        self.figures[name] = len(found)
        self.must(not found, f"{name}: {list(found)[:5]}")

    def must_bite(self, number: object, what: str) -> None:
        """Note a fault or a case that this run is about; none of it is suspicious."""
        if not number:
            self.suspicions.append(f"suspicious zero: {what}")

    def line(self) -> str:
        told = "  ".join(f"{name}={_short(value)}" for name, value in self.figures.items())
        ends = "PASS" if self.is_ok else "FAIL"
        why = "".join(f"\n  {each}" for each in (*self.violations[:20], *self.suspicions))
        return f"{self.name:<8} {told}  {ends}{why}"


def share(times: Sequence[float], percent: float) -> float:
    """The time that `percent` of them do not exceed; 0 of none."""
    ordered = sorted(times)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def seconds(value: float) -> str:
    return f"{value:.2f}s"


def _short(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
