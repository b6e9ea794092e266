"""How far a scenario has come, for who sits before it; what it prints is the same without."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

Step = TypeVar("Step")


def shown(steps: Sequence[Step], what: str) -> Iterable[Step]:
    """Go through `steps`, with a bar on the terminal where there is one."""
    if not sys.stderr.isatty():
        return steps
    # Each forked member of a fleet imports what this module does.
    from rich.console import Console
    from rich.progress import track

    return track(steps, what, console=Console(stderr=True), transient=True)
