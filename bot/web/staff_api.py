"""`/v1/staff`: who may sell from a chat: invited, listed, given another role, put out."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from bot.domain.identity import mask
from bot.domain.staff import Role
from bot.handlers import menus
from bot.handlers.rules import Rules
from bot.store import staff as staff_store
from bot.store.engine import Store, Tx
from bot.store.staff import Staff
from bot.web import bodies, fields
from bot.web.answers import NotFoundError
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

    async def set_role(self, request: Request, staff_id: int) -> Response:
        """Another role, from the next message on."""
        body = await bodies.read_as(request, RoleBody, rules=self._rules)

        def work(tx: Tx) -> Staff | None:
            member = staff_store.set_role(tx, staff_id, Role(body.role), by=body.by)
            return self._with_menu(tx, member)

        return _answer(await self._store.transact(work))

    async def remove(self, request: Request, staff_id: int) -> Response:
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
