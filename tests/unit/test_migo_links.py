import pytest

from bot.migo.links import MAX_LINK_CHARS, LinkError, check_link, is_loopback

HOSTS = ("sandbox.migopayments.com", "pay.example.com:8443", "127.0.0.1:8010", "[::1]:8010")
GOOD = "https://sandbox.migopayments.com/?orderId=Ypo5z2zTpLqWoe3eVvZMH"


@pytest.mark.parametrize(
    "url",
    [
        GOOD,
        "https://SANDBOX.migopayments.com/?orderId=a",
        "https://sandbox.migopayments.com:443/?orderId=a",
        "https://pay.example.com:8443/?orderId=a_b-c~d&x=%20#top",
        "http://127.0.0.1:8010/migo/pay/?orderId=a",
        "http://[::1]:8010/?orderId=a",
        GOOD + "x" * (MAX_LINK_CHARS - len(GOOD)),
    ],
)
def test_a_good_link_comes_back_unchanged(url: str) -> None:
    assert check_link(url, HOSTS) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        7,
        ["https://sandbox.migopayments.com/"],
        "sandbox.migopayments.com/?orderId=a",
        "//sandbox.migopayments.com/?orderId=a",
        "http://sandbox.migopayments.com/?orderId=a",
        "ftp://sandbox.migopayments.com/",
        "javascript:alert(1)//sandbox.migopayments.com/",
        "data:text/html,https://sandbox.migopayments.com/",
        "https:sandbox.migopayments.com/",
        "https:///sandbox.migopayments.com/",
        "https://",
        "https://evil.example/?orderId=a",
        "https://sandbox.migopayments.com.evil.example/",
        "https://evil-sandbox.migopayments.com/",
        "https://migopayments.com/",
        "https://sandbox.migopayments.com./",
        "https://sandbox.migopayments.com:8443/",
        "https://sandbox.migopayments.com:80/",
        "https://sandbox.migopayments.com:/",
        "https://sandbox.migopayments.com:0443/",
        "https://sandbox.migopayments.com:99999/",
        "https://sandbox.migopayments.com:x/",
        "https://pay.example.com/",
        "http://pay.example.com:8443/",
        "https://user@sandbox.migopayments.com/",
        "https://sandbox.migopayments.com@evil.example/",
        "https://evil.example#@sandbox.migopayments.com/",
        "https://evil.example?@sandbox.migopayments.com/",
        "https://evil.example\\@sandbox.migopayments.com/",
        "https://sandbox.migopayments.com\\.evil.example/",
        "https://sandbox.migopayments.com/ ?orderId=a",
        " https://sandbox.migopayments.com/",
        "https://sandbox.migopayments.com/\n",
        "https://sandbox.migo\tpayments.com/",
        "https://sandbox.migopayments.com/\x00",
        "https://sandbox.migopayments.com/\x7f",
        "https://sandbox.migopayments.com/\u202e",
        "https://ｓandbox.migopayments.com/",
        "https://sandbоx.migopayments.com/",
        "https://sandbox%2emigopayments.com/",
        'https://sandbox.migopayments.com/"onclick=',
        "https://sandbox.migopayments.com/<script>",
        "http://127.0.0.1:8011/",
        "http://127.0.0.1/",
        "http://0.0.0.0:8010/",
        "http://127.1:8010/",
        "http://2130706433:8010/",
        "http://localhost:8010/",
        "http://[::1/",
        "http://169.254.169.254/",
        GOOD + "x" * (MAX_LINK_CHARS - len(GOOD) + 1),
    ],
)
def test_a_bad_link_is_held(url: object) -> None:
    with pytest.raises(LinkError):
        check_link(url, HOSTS)


def test_an_empty_list_allows_nothing() -> None:
    with pytest.raises(LinkError):
        check_link(GOOD, ())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "example.com", "10.0.0.1", "localhost.example"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
