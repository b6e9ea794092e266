"""The control API under `/sandbox/api`: read the state, act as the customer, order faults.

JSON in, JSON out. Requests that change something must be `application/json`, so that no foreign
web page can make them.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bot.sandbox.beside import Beside, BesideError
from bot.sandbox.migo.callbacks import ALTERATIONS
from bot.sandbox.migo.pay_page import pay_action
from bot.sandbox.migo.transactions import MigoRefusalError
from bot.sandbox.people import Person
from bot.sandbox.phones.acts import Acts
from bot.sandbox.phones.snapshot import snapshot
from bot.sandbox.wire import json_object, json_response
from bot.sandbox.world import World

JsonObject = dict[str, object]

_FRAME_POLICY: Final = (
    "sandbox allow-same-origin allow-popups; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; frame-ancestors 'self'"
)
_ALTERATION_NAMES: Final = (*ALTERATIONS, "wrong_header", "missing_header")


class Control:
    """The routes of the control API."""

    def __init__(self, world: World, beside: Beside) -> None:
        self._world = world
        self._beside = beside
        self._acts = Acts(world)

    def routes(self) -> list[Route]:
        """List the routes, to be mounted under `/sandbox/api`."""
        return [
            Route("/state", self._state, methods=["GET"]),
            Route("/events", self._events, methods=["GET"]),
            Route("/people", _changing(self._add_person), methods=["POST"]),
            Route("/act", _changing(self._act), methods=["POST"]),
            Route("/links/{uid}", _changing(self._pay), methods=["POST"]),
            Route("/faults", _changing(self._order_fault), methods=["POST"]),
            Route("/faults", _changing(self._clear_faults), methods=["DELETE"]),
            Route("/release", _changing(self._release), methods=["POST"]),
            Route("/service", _changing(self._point_at), methods=["POST"]),
            Route("/time", _changing(self._travel), methods=["POST"]),
            Route("/payments", _changing(self._ask), methods=["POST"]),
            Route("/mails/{mail_id}", self._mail_html, methods=["GET"]),
            Route("/photos/{file_id}", self._photo, methods=["GET"]),
            Route("/files/{file_id}", self._file, methods=["GET"]),
            Route("/webhooks", self._webhooks, methods=["GET"]),
        ]

    def _person(self, person_id: str | None) -> Person:
        people = self._world.people
        # The page opens without knowing anybody.
        return next(iter(people)) if not person_id else people.get(person_id)

    async def _state(self, request: Request) -> Response:
        """Answer the snapshot of one person; `person` is an id, the first person if missing."""
        try:
            person = self._person(request.query_params.get("person"))
        except (KeyError, StopIteration):
            return _problem("no such person", 404)
        state = snapshot(self._world, person, has_companion=self._beside.companion is not None)
        return json_response(state, headers={"cache-control": "no-store"})

    async def _events(self, request: Request) -> Response:
        """Stream `data: {"version": n}` after each change, until the reader leaves."""

        async def lines() -> AsyncIterator[str]:
            async for version in self._world.journal.watch():
                yield f"data: {json.dumps({'version': version})}\n\n"

        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)

    async def _add_person(self, body: JsonObject) -> Response:
        person = self._world.people.add(
            Person(
                str(body.get("id") or body.get("phone") or body.get("email") or ""),
                str(body.get("name") or body.get("phone") or ""),
                str(body.get("phone") or ""),
                str(body.get("email") or ""),
                int(str(body.get("telegram_id") or 0)),
            )
        )
        self._world.journal.touch()
        return json_response({"id": person.id, "telegram_id": person.telegram_id}, 201)

    async def _act(self, body: JsonObject) -> Response:
        """Do something on a phone: `{person, channel, do, …}`; see `Acts`."""
        person = self._person(str(body.get("person") or ""))
        await self._acts.perform(person, str(body.get("channel")), str(body.get("do")), body)
        return json_response({"ok": True})

    async def _pay(self, body: JsonObject) -> Response:
        """Act on a payment link: `{do}` as on the payment page, or `replay`, or `open`."""
        uid, action = str(body["uid"]), str(body.get("do"))
        if action == "open":
            self._world.migo.open(uid)
        elif action == "replay":
            await self._world.migo.replay(uid)
        else:
            pay_action(self._world.migo, uid, action)
        return json_response({"ok": True})

    async def _order_fault(self, body: JsonObject) -> Response:
        """Order a fault: `{provider, operation, kind, times?, …details}`."""
        named = {"provider", "operation", "kind", "times", "uid"}
        details = {key: body[key] for key in body if key not in named}
        if body.get("kind") == "alter" and details.get("how") not in _ALTERATION_NAMES:
            raise ValueError(f"how is one of {', '.join(_ALTERATION_NAMES)}")
        times = int(str(body.get("times", 1)))
        provider, operation = str(body["provider"]), str(body["operation"])
        self._world.faults.order(provider, operation, str(body["kind"]), times, **details)
        self._world.journal.touch()
        return json_response({"ok": True}, 201)

    async def _clear_faults(self, body: JsonObject) -> Response:
        self._world.faults.clear()
        self._world.journal.touch()
        return json_response({"ok": True})

    async def _release(self, body: JsonObject) -> Response:
        await self._world.postman.release()
        return json_response({"ok": True})

    async def _point_at(self, body: JsonObject) -> Response:
        """Choose the service: `{url, public_url?}`."""
        url = str(body["url"])
        self._world.postman.point_at(url, str(body.get("public_url") or url), None)
        return json_response({"ok": True})

    async def _travel(self, body: JsonObject) -> Response:
        """Move the time ahead: `{hours}`, or `{to: "next"}` for the next reminder."""
        if body.get("to") == "next":
            await self._beside.forward_to_next()
        else:
            await self._beside.forward(timedelta(hours=int(str(body["hours"]))))
        return json_response({"now": self._world.clock().isoformat()})

    async def _ask(self, body: JsonObject) -> Response:
        """Ask a person for money: `{person, channel, amount, due_in_days?, reminders?}`."""
        await self._beside.ask(self._person(str(body.get("person") or "")), body)
        return json_response({"ok": True}, 201)

    async def _mail_html(self, request: Request) -> Response:
        """Show a mail's HTML, harmless: no script, nothing loaded from anywhere."""
        mail = self._world.mailbox.find(request.path_params["mail_id"])
        if mail is None:
            return _problem("no such mail", 404)
        headers = {"content-security-policy": _FRAME_POLICY, "x-content-type-options": "nosniff"}
        return Response(mail.shown_html(), media_type="text/html", headers=headers)

    async def _photo(self, request: Request) -> Response:
        file = self._world.telegram.chats.files.get(request.path_params["file_id"])
        if file is None:
            return _problem("no such file", 404)
        headers = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
        return Response(file.content, media_type="image/png", headers=headers)

    async def _file(self, request: Request) -> Response:
        """Give a document that somebody sent, to be saved and never shown."""
        file = self._world.telegram.chats.files.get(request.path_params["file_id"])
        if file is None:
            return _problem("no such file", 404)
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox",
        }
        return Response(file.content, media_type="application/octet-stream", headers=headers)

    async def _webhooks(self, request: Request) -> Response:
        """List the latest webhooks with their bodies and answers, oldest first."""
        latest = list(self._world.postman.sent)[-200:]
        return json_response(
            [
                {
                    "provider": one.webhook.provider,
                    "operation": one.webhook.operation,
                    "url": one.webhook.url,
                    "body": base64.b64encode(one.webhook.body).decode(),
                    "status": one.status,
                    "error": one.error,
                    "elapsed_s": round(one.elapsed_s, 4),
                }
                for one in latest
            ]
        )


def _problem(text: str, status: int) -> Response:
    return json_response({"error": text}, status)


def _changing(
    perform: Callable[[JsonObject], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Read the JSON body (with the path's parameters) and word what went wrong."""

    async def endpoint(request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        # A form of a foreign page cannot have this type without asking the browser first.
        if not kind.startswith("application/json"):
            return _problem("send application/json", 415)
        try:
            return await perform(await json_object(request) | request.path_params)
        except MigoRefusalError as error:
            return _problem(str(error), 404)
        except BesideError as error:
            return _problem(str(error), 409)
        except (LookupError, ValueError) as error:
            return _problem(f"{type(error).__name__}: {error}", 422)

    return endpoint
