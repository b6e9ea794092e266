"""`/v1/staff`: who may sell from a chat, let in, listed, put out; and what they did."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from bot.domain.identity import mask
from bot.domain.staff import Role
from bot.handlers import menus
from bot.handlers.rules import Rules
from bot.store import staff as staff_store
from bot.store.engine import Store, Tx
from bot.store.staff import AuditEntry, Staff
from bot.web import bodies, fields
from bot.web.answers import NotFoundError
from bot.web.cursors import checked_payment_id
from bot.web.described import takes
from bot.web.views import rfc3339

_TOKEN_BYTES = 18

InviteLinks = Callable[[str], Awaitable[Mapping[str, str]]]
"""Gives the ways in for a token: by channel, a page that opens a chat with the token written."""


class StaffView(TypedDict):
    """A member of staff; the phone is masked."""

    id: int
    name: str
    role: str
    channel: str | None
    phone: str | None
    has_pin: bool
    created_at: str


class StaffPage(TypedDict):
    """Everybody who is in."""

    staff: list[StaffView]


class InviteView(TypedDict):
    """A way in, shown once."""

    token: str
    text: str
    role: str
    expires_at: str
    links: dict[str, str]


class InviteBody(bodies.CancelBody):
    """Whom to let in; without a name it is the one that their chat app gives."""

    role: Literal["viewer", "agent", "manager", "admin"]
    name: fields.Name | None = None


class RoleBody(bodies.CancelBody):
    """What a member becomes."""

    role: Literal["viewer", "agent", "manager", "admin"]


class AuditView(TypedDict):
    """Something that a person did; `before` and `after` say what it changed."""

    id: int
    at: str
    who: str
    what: str
    payment_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(TypedDict):
    """What people did, newest first; `next_cursor` is null on the last page."""

    entries: list[AuditView]
    next_cursor: int | None


class AuditQuery(BaseModel):
    """Which entries to list."""

    model_config = ConfigDict(extra="forbid")

    payment_id: Annotated[str, AfterValidator(checked_payment_id)] | None = None
    cursor: Annotated[int, Field(ge=1, le=fields.MAX_ROW_ID)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


async def no_links(token: str) -> Mapping[str, str]:
    """There is no way in where no chat app is on."""
    return {}


class StaffEndpoints:
    """What each route does."""

    def __init__(self, store: Store, rules: Rules, *, links: InviteLinks) -> None:
        """Take what they work on."""
        self._store = store
        self._rules = rules
        self._links = links

    def router(self) -> APIRouter:
        """The routes, under `/staff`."""
        router = APIRouter(prefix="/staff", redirect_slashes=False)
        member: dict[int | str, dict[str, Any]] = {200: {"model": StaffView}}
        router.add_api_route("", self.page, methods=["GET"], responses={200: {"model": StaffPage}})
        router.add_api_route("/audit", self.audit, methods=["GET"])
        router.add_api_route(
            "/invites",
            self.invite,
            methods=["POST"],
            status_code=201,
            responses={201: {"model": InviteView}},
            openapi_extra=takes(InviteBody, is_required=True),
        )
        router.add_api_route(
            "/{staff_id}/role",
            self.set_role,
            methods=["POST"],
            responses=member,
            openapi_extra=takes(RoleBody, is_required=True),
        )
        router.add_api_route(
            "/{staff_id}/remove",
            self.remove,
            methods=["POST"],
            responses=member,
            openapi_extra=takes(bodies.CancelBody),
        )
        return router

    async def page(self) -> Response:
        """Everybody who is in."""
        members = await self._store.transact(staff_store.active)
        return JSONResponse({"staff": [_view(member) for member in members]})

    async def audit(self, query: Annotated[AuditQuery, Query()]) -> AuditPage:
        """What people did, newest first: who, what, when, and what it changed."""
        limit = query.limit

        def work(tx: Tx) -> list[AuditEntry]:
            return staff_store.audits(
                tx, payment_id=query.payment_id, older_than=query.cursor, limit=limit + 1
            )

        found = await self._store.transact(work)
        shown = found[:limit]
        return {
            "entries": [_audit_view(entry) for entry in shown],
            "next_cursor": shown[-1].id if len(found) > limit else None,
        }

    async def invite(self, request: Request) -> Response:
        """A one-time token that works for 24 hours; it is shown here and nowhere else."""
        body = await bodies.read_as(request, InviteBody, rules=self._rules)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        role = Role(body.role)
        expires_at = await self._store.transact(
            lambda tx: staff_store.invite_staff(tx, token, role=role, name=body.name, by=body.by)
        )
        answer: InviteView = {
            "token": token,
            "text": f"/start {token}",
            "role": role.value,
            "expires_at": rfc3339(expires_at),
            "links": dict(await self._links(token)),
        }
        return JSONResponse(answer, status_code=201)

    async def set_role(self, request: Request, staff_id: fields.RowId) -> Response:
        """Another role, from the next message on."""
        body = await bodies.read_as(request, RoleBody, rules=self._rules)

        def work(tx: Tx) -> Staff | None:
            member = staff_store.set_role(tx, staff_id, Role(body.role), by=body.by)
            return self._with_menu(tx, member)

        return _answer(await self._store.transact(work))

    async def remove(self, request: Request, staff_id: fields.RowId) -> Response:
        """Put somebody out at once, with their open buttons and dialogues."""
        body = await bodies.read_as(request, bodies.CancelBody, rules=self._rules, is_optional=True)

        def work(tx: Tx) -> Staff | None:
            if staff_store.remove(tx, staff_id, by=body.by) is None:
                return None
            return self._with_menu(tx, staff_store.read(tx, staff_id))

        return _answer(await self._store.transact(work))

    def _with_menu(self, tx: Tx, member: Staff | None) -> Staff | None:
        """Owe the menu that fits what they are now."""
        if member is not None:
            key = f"{member.role.value}:{secrets.token_hex(4)}"
            menus.owe_staff_menu(tx, self._rules, member, key=key)
        return member


def _answer(member: Staff | None) -> Response:
    if member is None:
        raise NotFoundError("there is no member of staff with this id")
    return JSONResponse(_view(member))


def _view(member: Staff) -> StaffView:
    return {
        "id": member.id,
        "name": member.name,
        "role": member.role.value,
        "channel": None if member.at is None else member.at.channel.value,
        "phone": None if member.phone is None else mask(member.phone),
        "has_pin": member.pin_hash is not None,
        "created_at": rfc3339(member.created_at),
    }


def _audit_view(entry: AuditEntry) -> AuditView:
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "who": entry.who,
        "what": entry.what,
        "payment_id": entry.payment_id,
        "before": None if entry.before is None else dict(entry.before),
        "after": None if entry.after is None else dict(entry.after),
    }
