"""`/v1/bulk`: a file of payments is checked, confirmed, watched, and read back row by row."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.bulkfiles import read_table, write_csv
from bot.domain.bulk import MAX_BYTES, BulkRow, FileError, Summary, check, summarize
from bot.domain.bulk_fields import BulkRules
from bot.domain.cards import holds_card
from bot.handlers.batches import BatchError, against_books, bulk_rules, move_batch, open_batch
from bot.handlers.bulk_report import error_report, result_report
from bot.handlers.rules import Rules
from bot.store import batch_results, batches
from bot.store.batches import Batch
from bot.store.engine import Store, Tx
from bot.texts.bulk import ERROR_COLUMNS, RESULT_COLUMNS, BulkWords, report_table
from bot.texts.phrases import Phrases
from bot.web.answers import NotFoundError
from bot.web.bodies import BodyError, Fault, FaultyError, channels_on
from bot.web.webhooks import TooLargeError, read_body

Json = dict[str, Any]

TYPES = {
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
}
_BATCH_ID = re.compile(r"bulk_[0-9a-z]{1,34}")
_MOVES = {
    "confirm": batches.SENDING,
    "pause": batches.PAUSED,
    "resume": batches.SENDING,
    "cancel": batches.CANCELLED,
}
_QUERY = {
    "route": {"type": "string"},
    "filename": {"type": "string", "minLength": 1, "maxLength": 200},
    "by": {"type": "string", "minLength": 1, "maxLength": 200},
    "dry_run": {"enum": ["true", "false"]},
}
_PARAMETERS = [{"name": name, "in": "query", "schema": each} for name, each in _QUERY.items()]
_LINE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class _Csv(Response):
    """What a result is described as."""

    media_type = "text/csv"


class BulkEndpoints:
    """What each route does."""

    def __init__(self, store: Store, rules: Rules) -> None:
        """Take what they work on; reasons are told in the merchant's language."""
        self._store = store
        self._rules = rules
        phrases = Phrases(merchant="", default_locale=rules.locale)
        self._words = BulkWords(phrases, rules.locale)

    def router(self) -> APIRouter:
        """The routes, under `/bulk`."""
        router = APIRouter(prefix="/bulk", redirect_slashes=False)
        body = {name: {"schema": {"type": "string", "format": "binary"}} for name in sorted(TYPES)}
        router.add_api_route(
            "",
            self.upload,
            methods=["POST"],
            responses={201: {"description": "It is kept, and waits for `confirm`."}},
            openapi_extra={
                "parameters": _PARAMETERS,
                "requestBody": {"required": True, "content": body},
            },
        )
        router.add_api_route("/{batch_id}", self.read, methods=["GET"])
        router.add_api_route(
            "/{batch_id}/result.csv", self.result, methods=["GET"], response_class=_Csv
        )
        router.add_api_route("/{batch_id}/{verb}", self.move, methods=["POST"])
        return router

    async def upload(self, request: Request) -> Response:
        """Check a file of at most 5 MiB and 10,000 rows; nothing is sent before `confirm`.

        `route` is for rows that name no channel, as `whatsapp,sms`. With `dry_run=true` nothing is
        kept: 200, else 201.
        """
        query = _query(request, self._rules)
        content = await _content(request)
        rows = await self._checked(content, query.get("route", ""), query.get("filename", "file"))
        is_dry = query.get("dry_run") == "true"

        def work(tx: Tx) -> Json:
            if is_dry:
                known = against_books(tx, rows)
                return self._report(summarize(known), known)
            opened = open_batch(
                tx,
                self._rules,
                rows,
                filename=query.get("filename", "file"),
                created_by=query.get("by", "api"),
            )
            view = self._view(tx, opened.batch)
            return view | self._report(opened.summary, opened.rows)

        found = await self._store.transact(work)
        return JSONResponse(found, status_code=200 if is_dry else 201)

    async def _checked(self, content: bytes, route: str, filename: str) -> list[BulkRow]:
        way = tuple(part.strip() for part in route.split(",") if part.strip())
        now: datetime = await self._store.transact(lambda tx: tx.now)
        rules = bulk_rules(self._rules, now=now, route=way)
        try:
            # In a thread: ten thousand numbers take about a second to check.
            return await run_in_threadpool(_check, content, rules)
        except FileError as error:
            raise BodyError(422, error.code, self._file_problem(error, filename)) from None

    def _file_problem(self, error: FileError, filename: str) -> str:
        words = {"filename": {"text": filename}, "detail": error.detail}
        return self._words.say(f"file.{error.code}", **words)

    def _report(self, summary: Summary, rows: Sequence[BulkRow]) -> Json:
        columns, lines = report_table(self._words, error_report(rows), ERROR_COLUMNS)
        return {
            "rows": {"total": summary.total, "right": summary.right, "wrong": summary.wrong},
            "sums": [
                {"amount_minor": minor, "currency": code} for code, minor in summary.sums.items()
            ],
            "countries": dict(summary.countries),
            "channels": dict(summary.channels),
            "without_reference": summary.without_reference,
            "again": summary.again,
            "errors": {"columns": columns, "rows": lines},
        }

    async def read(self, batch_id: str) -> Response:
        """Where a batch stands."""
        return JSONResponse(
            await self._store.transact(lambda tx: self._view(tx, _must_read(tx, batch_id)))
        )

    async def move(self, batch_id: str, verb: str) -> Response:
        """Confirm, pause, resume or cancel; payments that were made stay as they are."""
        to = _MOVES.get(verb)
        if to is None:
            raise NotFoundError("there is nothing here")

        def work(tx: Tx) -> Json:
            known = _must_read(tx, batch_id)
            if (verb == "confirm") is not (known.status == batches.CHECKED) and verb != "cancel":
                if known.status == to:
                    return self._view(tx, known)
                raise BatchError(f"a batch that is {known.status} has nothing to {verb}")
            return self._view(tx, move_batch(tx, batch_id, to))

        return JSONResponse(await self._store.transact(work))

    async def result(self, batch_id: str) -> Response:
        """Every row with its link, state, channel and reason, as CSV that Excel opens."""

        def work(tx: Tx) -> tuple[Batch, list[Mapping[str, object]]]:
            return _must_read(tx, batch_id), list(result_report(tx, batch_id))

        batch, report = await self._store.transact(work)
        columns, lines = report_table(self._words, report, RESULT_COLUMNS)
        content = await run_in_threadpool(write_csv, columns, lines)
        name = f'attachment; filename="{batch.id}.csv"'
        headers = {"content-disposition": name, "cache-control": "no-store"}
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    def _view(self, tx: Tx, batch: Batch) -> Json:
        progress = batch_results.progress(tx, batch.id)
        return {
            "id": batch.id,
            "status": batch.status,
            "filename": batch.filename,
            "created_by": batch.created_by,
            "created_at": _time(batch.created_at),
            "confirmed_at": _time(batch.confirmed_at),
            "ended_at": _time(batch.ended_at),
            "total": batch.total,
            "progress": {
                name: getattr(progress, name) for name in type(progress).__dataclass_fields__
            },
        }


def _check(content: bytes, rules: BulkRules) -> list[BulkRow]:
    return check(read_table(content), rules)


async def _content(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise BodyError(415, "not_a_file", "send the file's bytes as text/csv or XLSX")
    try:
        return await read_body(request, MAX_BYTES)
    except TooLargeError:
        raise BodyError(413, "too_large", "the file is over 5 MiB") from None


def _query(request: Request, rules: Rules) -> dict[str, str]:
    """The query, each parameter known and readable.

    Raises:
        FaultyError: one is not.
    """
    given = dict(request.query_params)
    on = channels_on(rules)
    faults = [Fault(name, "is not known here") for name in given.keys() - _QUERY.keys()]
    faults += [
        Fault(name, "must be one line of 1 to 200 characters")
        for name in ("filename", "by")
        if name in given and not _LINE.fullmatch(given[name])
    ]
    faults += [
        Fault(name, "must hold no card number")
        for name in ("filename", "by")
        if holds_card(given.get(name, ""))
    ]
    route = [part.strip() for part in given.get("route", "").split(",") if part.strip()]
    if off := [name for name in route if name not in on]:
        faults.append(Fault("route", f"{', '.join(off)[:60]} is off here; on: {', '.join(on)}"))
    if given.get("dry_run", "false") not in ("true", "false"):
        faults.append(Fault("dry_run", "must be true or false"))
    if faults:
        raise FaultyError(faults)
    return given


def _must_read(tx: Tx, batch_id: str) -> Batch:
    found = batches.read(tx, batch_id) if _BATCH_ID.fullmatch(batch_id) else None
    if found is None:
        raise NotFoundError("there is no batch with this id")
    return found


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
