"""Finds in the code what the books say in English: reasons, decisions and refusals."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_FOLDERS = ("bot/handlers", "bot/dispatcher")
_ARGUMENTS = {
    "decide": (2, 3),
    "RequestError": (0,),
    "Refused": (0,),
    "RetryLater": (0,),
    "Uncertain": (0,),
    "tell_undeliverable": (3,),
    "_drop": (2,),
}
"""Which arguments of which calls are read by people; `why` and `detail` are, of any call."""
_NAMES = ("why", "detail")
_EXPRESSION = "7"


def said_in_english() -> list[str]:
    """Every text, expressions in it as "7"."""
    found = set()
    for folder in _FOLDERS:
        for path in sorted((ROOT / folder).glob("*.py")):
            found |= set(_of(ast.parse(path.read_text("utf-8"))))
    return sorted(each for each in found if re.search("[a-z]", each))


def _of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id in (*_NAMES, "reason") for each in node.targets
        ):
            yield from _texts(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("_why"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from _texts(inner.value)


def _of_call(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    for number in _ARGUMENTS.get(name, ()):
        # A method of the ledger's takes the transaction first, as the plain function does.
        if number < len(call.args):
            yield from _texts(call.args[number])
    for keyword in call.keywords:
        if keyword.arg in _NAMES:
            yield from _texts(keyword.value)


def _texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _EXPRESSION for part in parts
            )
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case _:
            return
