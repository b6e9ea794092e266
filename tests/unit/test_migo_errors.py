from pathlib import Path

import pytest

from bot.migo import errors
from bot.migo.words import WORDS

GOLDEN = Path(__file__).parent.parent / "golden" / "migo"
BRANCHES = (errors.RefusedError, errors.NotCreatedError, errors.UnknownOutcomeError)
EXPECTED: dict[int | None, type[errors.MigoError]] = {
    5000: errors.InvalidRequestError,
    2007: errors.KeyPairRejectedError,
    None: errors.TokenRejectedError,
    5004: errors.UnknownClientError,
    2003: errors.AmountRejectedError,
    2006: errors.CustomerExcludedError,
    2004: errors.CustomerBlockedError,
    2005: errors.CustomerSuspendedError,
    2002: errors.CreationFailedError,
}


def documented_rows() -> list[tuple[int, int | None]]:
    lines = (GOLDEN / "errors.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(int(status), int(code) if code else None) for status, code, _cause in rows]


def classes(root: type[errors.MigoError] = errors.MigoError) -> list[type[errors.MigoError]]:
    inner = [error for child in root.__subclasses__() for error in classes(child)]
    return [root, *inner]


def test_the_golden_table_is_complete() -> None:
    assert {code for _, code in documented_rows()} == set(EXPECTED)
    assert len(documented_rows()) == 9


@pytest.mark.parametrize(("status", "code"), documented_rows())
def test_every_documented_row_is_its_own_error(status: int, code: int | None) -> None:
    error = errors.error_for(status, code)
    assert type(error) is EXPECTED[code]
    assert (error.http_status, error.own_code) == (status, code)
    assert (type(error).http_status, type(error).own_code) == (status, code)


@pytest.mark.parametrize("code", [code for code in EXPECTED if code is not None])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_the_own_code_decides_before_the_status(status: int, code: int) -> None:
    assert type(errors.error_for(status, code)) is EXPECTED[code]


@pytest.mark.parametrize("code", EXPECTED)
@pytest.mark.parametrize("status", [300, 302, 307, 500, 501, 502, 503, 504, 520, 599])
def test_behind_a_failing_server_nothing_is_certain(status: int, code: int | None) -> None:
    assert type(errors.error_for(status, code)) is errors.ServerFailedError


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, 9999, errors.TokenRejectedError),
        (429, None, errors.ThrottledError),
        (429, 9999, errors.ThrottledError),
        (400, None, errors.CreationFailedError),
        (400, 9999, errors.OtherRefusalError),
        (403, None, errors.OtherRefusalError),
        (404, 2000, errors.OtherRefusalError),
        (409, 4020, errors.OtherRefusalError),
        (409, None, errors.OtherRefusalError),
        (413, None, errors.OtherRefusalError),
    ],
)
def test_answers_beyond_the_table(
    status: int, code: int | None, expected: type[errors.MigoError]
) -> None:
    assert type(errors.error_for(status, code)) is expected


def test_a_throttled_answer_keeps_its_delay() -> None:
    error = errors.error_for(429, None, retry_after_s=7)
    assert isinstance(error, errors.NotCreatedError)
    assert error.retry_after_s == 7


def test_bad_credentials_and_nothing_else_open_the_breaker() -> None:
    opening = {c for c in classes(errors.RefusedError) if getattr(c, "opens_breaker", False)}
    assert opening == {errors.TokenRejectedError, errors.KeyPairRejectedError}


@pytest.mark.parametrize("error", classes())
def test_every_error_has_a_key_and_words_of_its_own(error: type[errors.MigoError]) -> None:
    assert [c.key for c in classes()].count(error.key) == 1
    for locale in ("es", "es-GT", "ES", "en", "en-US", "pt"):
        assert len(error().explain(locale)) > 40
    assert error().explain("es-GT") == WORDS[error.key][0]
    assert error().explain("en") == WORDS[error.key][1]


def test_no_words_are_left_over_and_none_are_said_twice() -> None:
    assert set(WORDS) == {error.key for error in classes()}
    said = [text for texts in WORDS.values() for text in texts]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("error", classes()[1:])
def test_every_error_ends_in_exactly_one_branch(error: type[errors.MigoError]) -> None:
    assert sum(issubclass(error, branch) for branch in BRANCHES) == 1


@pytest.mark.parametrize("error", classes(errors.RefusedError))
def test_what_is_refused_is_never_tried_again(error: type[errors.MigoError]) -> None:
    assert not error.is_retryable


def test_an_error_says_what_was_answered() -> None:
    text = str(errors.error_for(400, 2004))
    assert text == "This customer is blocked for this client. (HTTP 400, ownCode 2004)"
    assert str(errors.UnreachableError()) == "Migo could not be reached."
