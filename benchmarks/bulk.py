"""Ten thousand rows of a bulk file: read, checked, and kept; then chunks that become payments."""

import asyncio
import io
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from openpyxl import Workbook

from bot.bulkfiles import read_table, write_csv
from bot.domain.bulk import BulkRow, check, summarize
from bot.domain.bulk_fields import BulkRules
from bot.handlers.batches import CHUNK, move_batch, open_batch, send_some
from bot.handlers.rules import Rules
from bot.store import batches
from bot.store.engine import Store
from bot.store.migrate import migrate
from tests.contract.world import rules_of

ROWS = 10_000
CHECKED_WITHIN_S = 10.0
CHUNKS = 50
_HEADINGS = ("Teléfono", "Monto", "Moneda", "Concepto", "Referencia", "Nombre", "Canal")


def _rows() -> list[list[str]]:
    return [
        [
            f"+5025{n:07d}",
            "150.25",
            "GTQ",
            "Mensualidad",
            f"INV-{n}",
            f"Cliente {n}",
            "whatsapp,sms",
        ]
        for n in range(ROWS)
    ]


def _xlsx(rows: list[list[str]]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (_HEADINGS, *rows):
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _rules() -> BulkRules:
    channels = frozenset({"whatsapp", "sms", "email"})
    return BulkRules("GT", frozenset({"GTQ"}), channels, ("whatsapp",), datetime.now(UTC))


def _checked(content: bytes) -> tuple[list[BulkRow], float]:
    started = time.perf_counter()
    rows = check(read_table(content), _rules())
    took_s = time.perf_counter() - started
    assert summarize(rows).right == ROWS
    return rows, took_s


async def _sent(rows: list[BulkRow], rules: Rules, folder: Path) -> tuple[float, list[float]]:
    url = f"sqlite:///{folder}/bench.db"
    migrate(url)
    store = Store(url, clock=lambda: datetime.now(UTC))
    store.open()
    started = time.perf_counter()
    opened = await store.transact(
        lambda tx: open_batch(tx, rules, rows, filename="f", created_by="bench")
    )
    kept_s = time.perf_counter() - started
    await store.transact(lambda tx: move_batch(tx, opened.batch.id, batches.SENDING))
    chunks = [await _timed(store, rules) for _ in range(CHUNKS)]
    await store.close()
    return kept_s, sorted(chunks)


async def _timed(store: Store, rules: Rules) -> float:
    started = time.perf_counter()
    assert await store.transact(lambda tx: send_some(tx, rules)) == CHUNK
    return time.perf_counter() - started


def main() -> bool:
    """Print the figures; whether the check kept its time."""
    rows = _rows()
    checked, csv_s = _checked(write_csv(_HEADINGS, rows))
    _, xlsx_s = _checked(_xlsx(rows))
    rules = replace(rules_of(), rates=dict.fromkeys(("whatsapp", "sms"), 1e6))
    with tempfile.TemporaryDirectory() as folder:
        kept_s, chunks = asyncio.run(_sent(checked, rules, Path(folder)))
    print(f"{ROWS} rows checked: CSV {csv_s:.2f} s, XLSX {xlsx_s:.2f} s; kept in {kept_s:.2f} s")
    median, slowest = chunks[len(chunks) // 2], chunks[-1]
    print(f"{CHUNK} rows made payments: {median * 1e3:.0f} ms, slowest {slowest * 1e3:.0f} ms")
    return max(csv_s, xlsx_s) < CHECKED_WITHIN_S


if __name__ == "__main__":
    raise SystemExit(not main())
