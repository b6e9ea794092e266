"""Bodies and fields that break careless readers, by name."""

import json

KIB = 1024
DEEP = b"[" * 10_000 + b"]" * 10_000
DIGITS = b"9" * 5_000

_GOOD = {"uid": "u" * 21, "status": "approved", "amount": 15000, "currency": "GTQ"}


def _with(**fields: object) -> bytes:
    return json.dumps(_GOOD | fields).encode()


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"uid=u1&status=approved",
    "half": b'{"uid": "u1", "sta',
    "two documents": b"{}{}",
    "an array": b"[]",
    "a number": b"7",
    "null": b"null",
    "no uid": b'{"status": "approved"}',
    "uid is a list": _with(uid=["u"]),
    "10,000 deep": DEEP,
    "deep inside": b'{"uid": "u1", "x": ' + DEEP + b"}",
    "not a number": b'{"uid": "u1", "amount": NaN}',
    "infinite": b'{"uid": "u1", "amount": -Infinity}',
    "5,000 digits": b'{"uid": "u1", "amount": ' + DIGITS + b"}",
    "a huge exponent": b'{"uid": "u1", "amount": 1e400}',
    "lone surrogate": b'{"uid": "u1", "status": "\\ud800"}',
    "surrogate uid": b'{"uid": "\\udfff"}',
    "NUL": b'{"uid": "u1", "status": "appr\\u0000oved"}',
    "raw NUL": b'{"uid": "u1\x00"}',
    "named twice": b'{"uid": "u1", "uid": "u2"}',
    "no UTF-8": b'{"uid": "\xff\xfe"}',
    "UTF-16": '{"uid": "u1"}'.encode("utf-16"),
    "line break in the uid": _with(uid="u\n1"),
    "a right-to-left uid": _with(uid="\u202eu\u202c"),
}
"""Authentic callbacks that nothing can be made of: kept and held, with an alert."""

ODD = {
    "unknown uid": _with(),
    "amount of 5,000 digits as text": _with(amount=DIGITS.decode()),
    "negative amount": _with(amount=-1),
    "fractional amount": _with(amount=150.5),
    "true for an amount": _with(amount=True),
    "no amount": b'{"uid": "uuu", "status": "approved"}',
    "unknown status": _with(status="quite_new"),
    "status is a number": _with(status=7),
    "unknown currency": _with(currency="ZZZ"),
    "extra fields": _with(processor={"name": "x", "trace": [1, None, "y" * 1000]}),
    "a uid like SQL": _with(uid="'; drop table payment; --"),
    "our own id of somebody": _with(externalId="pay_0.1"),
    "an attempt of 400 digits": _with(externalId="pay_0." + "9" * 400),
}
"""Readable callbacks about what we do not know: kept, and taken in, held or parked."""
