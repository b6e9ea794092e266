"""What `/v1/openapi.json` says of bodies and errors, since both are read and written by us."""

from collections.abc import Iterator, Sequence
from typing import Any, NotRequired

from pydantic import BaseModel
from pydantic.config import JsonDict
from pydantic.json_schema import models_json_schema
from typing_extensions import TypedDict

Json = dict[str, Any]
EXAMPLE: JsonDict = {
    "customer": {"phone": "+50255550101", "name": "Ana", "email": "ana@example.com"},
    "amount_minor": 15000,
    "currency": "GTQ",
    "route": ["whatsapp", "email"],
    "concept": "Mensualidad",
}
"""What a merchant would ask, for the description."""
SCHEMAS = "#/components/schemas/"


class FieldFault(TypedDict):
    """One wrong field by its path and what it must be."""

    field: str
    message: str


class Problem(TypedDict):
    """What is wrong with a request; the code is for programs, the message for people."""

    code: str
    message: str
    fields: NotRequired[list[FieldFault]]


class Problems(BaseModel):
    """How every error is answered."""

    error: Problem


KEYED: Json = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key is answered like the first time.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    ]
}
"""The part of a route's description that names the header by which a repeat is known."""

_ALWAYS = {
    401: "No token, or a wrong one.",
    422: "A value cannot be taken; `fields` names each.",
    429: "Too many requests without a token.",
    503: "Nothing was changed; try again.",
}
_OF_ONE = {404: "There is nothing under this id."}
_OF_CHANGES = {409: "It is not possible in this state."}
_OF_BODIES = {
    400: "The body cannot be read.",
    413: "The body is too large.",
    415: "The body is of another kind.",
}


def takes(model: type[BaseModel], *, is_required: bool = False) -> Json:
    """The part of a route's description that names its body."""
    content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{model.__name__}"}}}
    return {"requestBody": {"required": is_required, "content": content}}


def complete(described: Json, bodies: Sequence[type[BaseModel]]) -> None:
    """Add to a description the bodies, how errors are answered, and the token."""
    models: list[type[BaseModel]] = [*bodies, Problems]
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template=SCHEMAS + "{model}"
    )
    components = described["components"]
    components["schemas"] |= found["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]
    content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{Problems.__name__}"}}}
    for path, method, operation in _operations(described):
        errors = _errors_of(path, method, operation)
        operation["responses"] |= {
            str(status): {"description": why, "content": content} for status, why in errors.items()
        }


def _operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _errors_of(path: str, method: str, operation: Json) -> dict[int, str]:
    return {
        **_ALWAYS,
        **(_OF_ONE if "{" in path else {}),
        **(_OF_CHANGES if method != "get" else {}),
        **(_OF_BODIES if "requestBody" in operation else {}),
    }
