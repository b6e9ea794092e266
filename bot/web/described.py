"""How a route says in `/v1/openapi.json` which body it takes, since bodies are read by us."""

from typing import Any

from pydantic import BaseModel

SCHEMAS = "#/components/schemas/"


def takes(model: type[BaseModel], *, is_required: bool = False) -> dict[str, Any]:
    """The part of a route's description that names its body."""
    content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{model.__name__}"}}}
    return {"requestBody": {"required": is_required, "content": content}}
