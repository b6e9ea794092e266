"""`paybot bulk`: check a file of payments, send it after a yes, follow it to its result."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bot.cli import display
from bot.cli.errors import FailedError, WrongError
from bot.cli.payments import actor

Json = dict[str, Any]
Tell = Callable[[Json], None]

_POLL_S = 1.0
_SHOWN_ERRORS = 10
_TYPES = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@click.command("bulk")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--route", metavar="A,B,…", help="For rows that name no channel.")
@click.option("--dry-run", is_flag=True, help="Check the file and stop.")
@click.option("--yes", is_flag=True, help="Send the right rows without asking.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def bulk_command(file: Path, route: str | None, dry_run: bool, yes: bool, is_json: bool) -> None:
    """Ask many customers for money by a CSV or XLSX file."""
    from bot.cli.client import Service, local_settings

    if not (yes or dry_run or display.is_terminal()):
        raise WrongError("say --yes to send without being asked, or --dry-run to check only")
    query = {"filename": file.name[:200], "by": actor()}
    if route:
        query["route"] = route
    if dry_run:
        query["dry_run"] = "true"
    with Service(local_settings()) as service:
        checked = service.upload(_content(file), _type_of(file), query)
        _tell_check(checked, file, is_quiet=is_json)
        if dry_run:
            _finish(checked, is_json=is_json, is_wrong=bool(checked["rows"]["wrong"]))
            return
        if not checked["rows"]["right"]:
            raise WrongError(f"no row of {file.name} can be sent; correct it and try again")
        if not (yes or _is_confirmed(checked)):
            service.move_bulk(checked["id"], "cancel")
            raise FailedError("nothing was sent")
        service.move_bulk(checked["id"], "confirm")
        ended = _follow(lambda: service.bulk(checked["id"]), is_quiet=is_json)
        beside = _beside(file, "result")
        beside.write_bytes(service.bulk_result(checked["id"]))
    if not is_json:
        click.echo(f"result of every row: {beside}")
    _finish(ended, is_json=is_json, is_wrong=bool(_unsent(ended)))


def _content(file: Path) -> bytes:
    from bot.domain.bulk import MAX_BYTES

    if file.stat().st_size > MAX_BYTES:
        raise WrongError(f"{file.name} is over {MAX_BYTES // 1024 // 1024} MiB; split it")
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongError(f"{file.name} cannot be read: {error.strerror}") from None


def _type_of(file: Path) -> str:
    return _TYPES.get(file.suffix.lower(), "text/csv")


def _beside(file: Path, what: str) -> Path:
    return file.with_name(f"{file.stem}.{what}.csv")


def _tell_check(checked: Json, file: Path, *, is_quiet: bool) -> None:
    """Say what the file adds up to; wrong rows go into a file beside it, with their reasons."""
    errors = checked["errors"]
    if errors["rows"]:
        from bot.bulkfiles import write_csv

        _beside(file, "errors").write_bytes(write_csv(errors["columns"], errors["rows"]))
    if is_quiet:
        return
    rows = checked["rows"]
    click.echo(f"{rows['right']} of {rows['total']} rows are right: {_sums(checked)}")
    countries = ", ".join(f"{code} {number}" for code, number in checked["countries"].items())
    channels = ", ".join(f"{name} {number}" for name, number in checked["channels"].items())
    display.print_facts([("countries", countries), ("first over", channels)])
    if checked["without_reference"]:
        click.echo(
            f"{checked['without_reference']} rows have no reference: the same file sent twice "
            "would ask for them twice"
        )
    if checked["again"]:
        click.echo(
            f"{checked['again']} rows repeat the phone and amount of another payment; they go, for "
            "each has a reference of its own"
        )
    for row in errors["rows"][:_SHOWN_ERRORS]:
        click.echo(f"row {row[0]}: {row[1]}")
    if errors["rows"]:
        click.echo(f"{rows['wrong']} wrong rows with their reasons: {_beside(file, 'errors')}")


def _sums(checked: Json) -> str:
    return " + ".join(display.amount(each) for each in checked["sums"]) or "nothing to send"


def _is_confirmed(checked: Json) -> bool:
    return click.confirm(f"Send {checked['rows']['right']} payment links ({_sums(checked)})?")


def _follow(read: Callable[[], Json], *, is_quiet: bool) -> Json:
    """Read the batch until nothing of it is under way."""
    with _bar(is_quiet=is_quiet) as tell:
        while True:
            batch = read()
            tell(batch)
            has_stopped = batch["status"] in ("done", "cancelled")
            if has_stopped and not batch["progress"]["waiting"]:
                return batch
            time.sleep(_POLL_S)


@contextmanager
def _bar(*, is_quiet: bool) -> Iterator[Tell]:
    """A bar of rows that are through; elsewhere than on a terminal each new state is a line."""
    if is_quiet:
        yield lambda batch: None
    elif display.is_terminal():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TextColumn("{task.fields[now]}")) as shown:
            task = shown.add_task("links sent", total=None, now="")

            def tell(batch: Json) -> None:
                total = sum(batch["progress"][name] for name in ("ready", "created", "failed"))
                through = total - batch["progress"]["ready"] - batch["progress"]["waiting"]
                now = "" if batch["status"] == "sending" else batch["status"]
                shown.update(task, total=total, completed=through, now=now)

            yield tell
    else:
        told: set[str] = set()

        def line(batch: Json) -> None:
            if batch["status"] not in told:
                told.add(batch["status"])
                click.echo(batch["status"])

        yield line


def _unsent(batch: Json) -> int:
    progress = batch["progress"]
    return int(progress["stuck"] + progress["failed"] + progress["ready"])


def _finish(found: Json, *, is_json: bool, is_wrong: bool) -> None:
    if is_json:
        display.print_json(found)
    elif "progress" in found:
        click.echo(f"{found['progress']['sent']} links sent, {_unsent(found)} not")
    if is_wrong:
        raise FailedError("some rows did not go; the file beside yours says why")
