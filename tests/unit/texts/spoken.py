"""Finds in the code what the books say in English: reasons, decisions and refusals."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_FILES = (
    *("bot/handlers/*.py", "bot/dispatcher/*.py"),
    *("bot/domain/reminding.py", "bot/domain/waits.py", "bot/domain/inputs.py"),
    *("bot/relay.py", "bot/intake.py"),
)
_ARGUMENTS = {
    "decide": (2, 3),
    "Decision": (1, 2),
    "Never": (1,),
    "Skip": (1,),
    "Later": (2,),
    "Over": (2,),
    "MalformedError": (0,),
    "NotYetError": (0,),
    "RequestError": (0,),
    "Refused": (0,),
    "RetryLater": (0,),
    "Uncertain": (0,),
    "tell_undeliverable": (3,),
    "_drop": (2,),
}
"""Which arguments of which calls are read by people; `why` and `detail` are, of any call."""
_RULES = {"Never": 0, "Skip": 0, "Later": 1, "Over": 1}
"""Which argument names the rule that stands before the reason of a verdict on a reminder."""
_NAMES = ("why", "detail")
_RULE_NAMES = ("rule", "DIGEST")
_EXPRESSION = "7"


def said_in_english() -> list[str]:
    """Every text, expressions in it as "7"."""
    found = set()
    for path in sorted(path for pattern in _FILES for path in ROOT.glob(pattern)):
        found |= set(_of(ast.parse(path.read_text("utf-8"))))
    return sorted(each for each in found if re.search("[a-z]", each))


def _of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            if set(names) & {*_NAMES, "reason", "_WHY"}:
                yield from _texts(node.value)
            elif set(names) & set(_RULE_NAMES):
                yield from _before_a_reason(node.value)
        elif isinstance(node, ast.AugAssign) and getattr(node.target, "id", "") in _NAMES:
            yield from (_EXPRESSION + text for text in _texts(node.value))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith(("_why", "why_")):
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
    if name in _RULES:
        yield from _before_a_reason(call.args[_RULES[name]])
    for keyword in call.keywords:
        if keyword.arg in _NAMES:
            yield from _texts(keyword.value)


def _before_a_reason(rule: ast.expr) -> Iterator[str]:
    if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
        yield f"{rule.value}: {_EXPRESSION}"


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
