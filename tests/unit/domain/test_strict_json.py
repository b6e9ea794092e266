import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.strict_json import Json, JsonError, dumps, loads, skim

DOCUMENTS: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.decimals(
        allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9
    )
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\0")),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(DOCUMENTS)
def test_what_is_written_is_read_again(document: Json) -> None:
    assert loads(dumps(document)) == document


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_json_error(body: bytes) -> None:
    try:
        document = loads(body)
    except JsonError:
        return
    assert loads(dumps(document)) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"NaN",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": 1, "\\u0061": 2}',
        b"9007199254740993",
        b"-9007199254740993",
        b"1" * 5000,
        b"-" + b"1" * 5000,
        b"0." + b"1" * 5000,
        b"1e400",
        b"1e-400",
        b"1e99999999999999999999",
        b"1e-99999999999999999999",
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'{"\\ud800": 1}',
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'"a\x00"',
        b'"a\nb"',
        b"[" * 33 + b"]" * 33,
        b"[" * 60_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" + b"0," * 1000 + b"0]",
        b"[" + b"[0],[0]," * 300 + b"[]]",
        b"True",
        b"01",
        b"1.",
        b"0x10",
    ],
)
def test_what_two_readers_might_understand_differently_is_refused(body: bytes) -> None:
    with pytest.raises(JsonError):
        loads(body)


def test_exactly_at_the_limits_passes() -> None:
    assert loads(b"[" * 32 + b"]" * 32) is not None
    assert loads(b"[" + b"0," * 999 + b"0]") == [0] * 1000
    assert loads(b"[9007199254740992, -9007199254740992]") == [2**53, -(2**53)]


def test_limits_can_be_set() -> None:
    with pytest.raises(JsonError):
        loads(b"[[]]", max_depth=1)
    with pytest.raises(JsonError):
        loads(b"[1, 2]", max_items=1)


@pytest.mark.parametrize("body", [b"[]", b"1", b'{"a": 1', b"[" * 60_000, b"\xff"])
def test_what_is_no_object_cannot_be_skimmed(body: bytes) -> None:
    with pytest.raises(JsonError):
        skim(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'{"a": [' + b"0," * 1000 + b"0]}",
        b'{"a": [' + b"[0],[0]," * 300 + b"[]]}",
    ],
)
def test_skimming_has_the_same_limits(body: bytes) -> None:
    with pytest.raises(JsonError):
        skim(body)


def test_a_doubtful_member_is_told_when_it_is_read() -> None:
    members = skim(b'{"a": 1.50, "b": NaN, "c": "\xf1", "d": 1, "d": 2, "e": {"f": "g"}, "h": [1]}')
    assert members.read("a") == Decimal("1.50")
    assert (members.read("e"), members.read("h"), members.read("z")) == (None, None, None)
    assert (members.inner("e").read("f"), members.inner("a").read("f")) == ("g", None)
    for name in ("b", "c", "d"):
        with pytest.raises(JsonError, match=f"in {name}$"):
            members.read(name)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_skimmed_or_give_a_json_error(body: bytes) -> None:
    with contextlib.suppress(JsonError):
        skim(b'{"a": ' + body + b"}")


def test_surrogate_pairs_are_characters() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "😀"


def test_decimals_keep_their_digits() -> None:
    assert dumps({"amount": Decimal("150.00")}) == b'{"amount":150.00}'
    assert dumps(Decimal("1E+3")) == b"1E+3"
    assert repr(loads(b"150.10")) == "Decimal('150.10')"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_not_written(number: str) -> None:
    with pytest.raises(JsonError):
        dumps([Decimal(number)])
