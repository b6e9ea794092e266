"""Serves the page's own files; everything comes from this machine and no script is inline."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_FOLDER: Final = Path(__file__).with_name("static")
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # Asked for again each time: an upgraded page must not run on old scripts.
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


async def _index(request: Request) -> Response:
    return FileResponse(_FOLDER / "phones.html", headers=_HEADERS)


def page_routes() -> list[BaseRoute]:
    """List the routes of the page and its files."""
    return [
        Route("/", _index, methods=["GET"]),
        Mount("/static", StaticFiles(directory=_FOLDER)),
    ]
