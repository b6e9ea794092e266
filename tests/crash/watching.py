"""A process of the service as it is seen from inside and outside: what must stay flat in a soak."""

import asyncio
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bot.app import Application, Role

TICK_S = 0.02


def watch_from_inside(folder: Path) -> None:
    """Have the next application write how late its loop comes round, and how many tasks it has."""
    start = Application.start

    async def watched(self: Application) -> None:
        await start(self)
        task = asyncio.create_task(_write(folder / _name(_own_pid())))
        # Held by the application, or the loop would let go of it.
        self.watching = task  # type: ignore[attr-defined]

    Application.start = watched  # type: ignore[method-assign]


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


def _name(pid: int) -> str:
    return f"watched-{pid}"


async def _write(path: Path) -> None:
    with path.open("a", buffering=1) as file:
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK_S)
            late_s = time.monotonic() - began - TICK_S
            file.write(f"{late_s:.4f} {len(asyncio.all_tasks())}\n")


@dataclass(slots=True)
class Watched:
    """What one process took, look after look."""

    pid: int
    roles: frozenset[Role]
    megabytes: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self) -> None:
        proc = Path(f"/proc/{self.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        self.megabytes.append(pages * resource.getpagesize() / 2**20)
        self.files.append(len(list((proc / "fd").iterdir())))

    def inside(self, folder: Path) -> tuple[list[float], list[int]]:
        """How late its loop came round each time once it was warm, and its tasks all along."""
        path = folder / _name(self.pid)
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        whole = [row for row in rows if len(row) == 2]
        late = [float(row[0]) for row in whole[len(whole) // 5 :]]
        return late, [int(row[1]) for row in whole]


def growth(values: list[float]) -> float:
    """From the second fifth, after warming up, to the last one; 0 of too few."""
    part = len(values) // 5
    return median(values[-part:]) - median(values[part : 2 * part]) if part else 0.0
