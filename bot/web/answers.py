"""How `/v1` says no: one JSON shape for everything that can be wrong with a request."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.handlers.payment import ConflictError, RequestError
from bot.store.engine import Store, StoreError, Tx
from bot.store.payments import IllegalMoveError, TakenError
from bot.web.app import note_no_database
from bot.web.bodies import BodyError, Fault, FaultyError, fault_of

_Result = TypeVar("_Result")


class NotFoundError(Exception):
    """There is nothing under this id."""


async def once_more_if_taken(store: Store, work: Callable[[Tx], _Result]) -> _Result:
    """Run `work`; where somebody was faster by a moment, what they wrote is the answer."""
    try:
        return await store.transact(work)
    except TakenError:
        return await store.transact(work)


def created(request: Request, where: str, view: object, *, is_new: bool) -> JSONResponse:
    """The answer to a creation: 201, or 200 for the repeat of one, with where it is found."""
    location = {"location": f"{request.scope.get('root_path', '')}/{where}"}
    return JSONResponse(view, status_code=201 if is_new else 200, headers=location)


def problem(
    status: int, code: str, message: str, faults: Sequence[Fault] | None = None
) -> JSONResponse:
    """An answer that says what is wrong: `{"error": {"code", "message", "fields"?}}`."""
    error: dict[str, object] = {"code": code, "message": message}
    if faults is not None:
        error["fields"] = [{"field": each.field, "message": each.message} for each in faults]
    return JSONResponse({"error": error}, status_code=status)


def answer_errors(app: FastAPI) -> None:
    """Have every error of `app` answered in this shape."""
    for kind in (*_EXPECTED, Exception):
        app.add_exception_handler(kind, _on_error)


_EXPECTED: tuple[type[Exception], ...] = (
    BodyError,
    FaultyError,
    RequestValidationError,
    NotFoundError,
    RequestError,
    IllegalMoveError,
    TakenError,
    HTTPException,
    StoreError,
)


async def _on_error(request: Request, error: Exception) -> Response:
    match error:
        case BodyError():
            return problem(error.status, error.code, str(error))
        case FaultyError():
            return problem(422, "bad_fields", str(error), error.faults)
        case RequestValidationError():
            return problem(422, "bad_query", "the query cannot be taken", _query_faults(error))
        case NotFoundError():
            return problem(404, "not_found", str(error))
        case ConflictError():
            return problem(409, "conflict", str(error))
        case RequestError():
            return problem(409, "not_possible", str(error))
        case IllegalMoveError() | TakenError():
            return problem(409, "too_late", "it changed in the meantime; read it again")
        case HTTPException():
            return _refusal(error)
        case _:
            if isinstance(error, StoreError):
                note_no_database(request, error)
            return problem(503, "unavailable", "nothing was changed; try again")


def _query_faults(error: RequestValidationError) -> list[Fault]:
    details = error.errors()
    return [fault_of(each["loc"][1:], each["type"], each["msg"]) for each in details]


def _refusal(error: HTTPException) -> Response:
    code = {404: "not_found", 405: "bad_method"}.get(error.status_code, "refused")
    answer = problem(error.status_code, code, str(error.detail).lower())
    answer.headers.update(error.headers or {})
    return answer
