"""Facts as they come in a good and in a bad week."""

from datetime import UTC, datetime

from bot.domain.money import Money
from bot.texts import Facts
from bot.texts.facts import DebtFacts

LINK = "https://sandbox.migopayments.com/?orderId=Ypo5z2zTpLqWoe3eVvZMH"
AT = datetime(2026, 4, 3, 20, 5, 9, tzinfo=UTC)
Q150 = Money(15_000, "GTQ")

DEBT = DebtFacts(Q150, "Mensualidad de abril", AT, LINK)
BARE_DEBT = DebtFacts(Q150, None, None, LINK)

LEAST = Facts(money=Q150, url=LINK, debts=(BARE_DEBT,))
TYPICAL = Facts(
    name="Ana María López",
    money=Q150,
    concept="Mensualidad de abril",
    reference="CAMPGT020007SB",
    url=LINK,
    due_at=AT,
    expires_at=AT,
    paid_at=AT,
    time_zone="America/Guatemala",
    payment_id="a1b2c3d4e5f60718293a",
    extra={"detail": "one link was both refunded and reversed", "void": "CAMPGT020006SB"},
    debts=(DEBT, BARE_DEBT),
    totals=(Money(30_000, "GTQ"),),
)
HOSTILE = Facts(
    name="{{7*7}}\u202e<img src=x onerror=alert(1)>\r\nBcc: all@example.com",
    money=Money(10**12, "USD"),
    concept="\u200fSu pago falló, use http://evil.example/pay {% if %} " + "largo " * 500,
    reference="REF\r\n<b>1</b>{{ url }}",
    url=LINK,
    due_at=AT,
    expires_at=AT,
    paid_at=AT,
    time_zone="Asia/Kathmandu",
    payment_id="a1b2c3d4e5f60718293a",
    extra={
        "detail": "\x1b[31m{{7*7}} <script>" + "x" * 3000,
        "void": "\x1b[31m{{7*7}}\r\n<b>1</b>{{ url }}",
    },
    debts=(DebtFacts(Q150, "{{7*7}} http://evil.example/pay\n<script>", AT, LINK),) * 6,
    more=3,
    totals=(Money(10**12, "USD"), Money(10**9, "GTQ")),
)
BLANK = Facts(
    name=" \u200b ",
    money=Q150,
    concept="www.evil.example",
    reference="\x00",
    url=LINK,
    debts=(DebtFacts(Q150, "\x00", None, LINK),),
)
"""Nothing is left of these once they are cleaned."""
WEEKS = {"least": LEAST, "typical": TYPICAL, "hostile": HOSTILE, "blank": BLANK}
