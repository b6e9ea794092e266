"""What the verbs print: tables on a terminal, plain lines elsewhere, JSON where asked."""

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

Json = dict[str, Any]

_ORDERS = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINER = "\u200d"
"""Part of many emoji."""


def is_terminal() -> bool:
    """Whether a person is looking at the output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def print_json(document: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def harmless(text: str, *, has_lines: bool = False) -> str:
    """What strangers may have written, so that a terminal takes none of it for an order."""
    kept = f"\n{_JOINER}" if has_lines else _JOINER
    return "".join(
        each if each in kept or unicodedata.category(each) not in _ORDERS else "?" for each in text
    )


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns; padded lines where nobody looks, so that programs can cut."""
    rows = [[harmless(cell) for cell in row] for row in rows]
    if is_terminal():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            # The first is what one copies into the next command: never broken over two lines.
            table.add_column(column, no_wrap=number == 0)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    lines = [columns, *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_facts(facts: Sequence[tuple[str, str | None]]) -> None:
    """Print names and values, leaving out what is not known."""
    known = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name.ljust(width)}  {harmless(value)}")


def print_qr(url: str) -> None:
    """Draw a link as a QR code where a phone can scan it off the screen."""
    if not is_terminal():
        return
    import segno

    segno.make_qr(url).terminal(compact=True)


def amount(payment: Json) -> str:
    """Write a payment's amount exactly, as GTQ 150.00."""
    from bot.domain.money import Money

    money = Money(payment["amount_minor"], payment["currency"])
    return f"{money.currency} {money.major():,f}"


def local_time(text: str | None) -> str:
    """Write an instant in this machine's time zone, to the second."""
    if text is None:
        return ""
    at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    return at.strftime("%Y-%m-%d %H:%M:%S %Z")
