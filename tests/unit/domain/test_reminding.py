"""What becomes of a reminder when its time comes, rule by rule."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bot.domain.calendars import Reminding, Window, hours_of
from bot.domain.foreseeing import foresee
from bot.domain.packs import CountryPack
from bot.domain.payment import UNPAID, PaymentStatus
from bot.domain.reminders import Planned, Tone
from bot.domain.reminding import Ask, Book, Go, Later, Never, Over, Owed, Waiting, follow, judge

ZONE = ZoneInfo("America/Guatemala")
TUESDAY = date(2026, 12, 1)
NOW = datetime(2026, 12, 1, 16, tzinfo=UTC)
"""Ten in the morning there."""
SERIES = tuple(
    Planned(tone, TUESDAY + timedelta(days=days))
    for tone, days in ((Tone.FRIENDLY, 0), (Tone.FRIENDLY, 2), (Tone.LAST, 6))
)
OWED = Owed("p1", PaymentStatus.LINKED, NOW + timedelta(days=30), False, True, SERIES, 0)
ROW = Waiting(1, "p1", TUESDAY, Tone.FRIENDLY, "whatsapp", NOW)
REMINDING = Reminding(hours=hours_of("mon-sat 09:00-18:00"))


def book(**changes: object) -> Book:
    made = Book(
        customer_id=1,
        zone=ZONE,
        window=REMINDING.window("GT"),
        reminding=REMINDING,
        couriers=frozenset({"whatsapp", "sms", "email"}),
        owed={"p1": OWED},
        waiting=(ROW,),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def owing(**changes: object) -> Book:
    return book(owed={"p1": replace(OWED, **changes)})  # type: ignore[arg-type]


def ask(
    hours_ago: float,
    *,
    is_reminder: bool = True,
    channel: str = "whatsapp",
    is_delivered: bool = True,
    payment_id: str = "p0",
) -> Ask:
    at = NOW - timedelta(hours=hours_ago)
    return Ask(int(hours_ago * 10) + 100, payment_id, is_reminder, channel, at, is_delivered)


def local(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%a %d %H:%M}"


def test_a_due_reminder_goes() -> None:
    assert judge(book(), ROW, NOW) == Go()


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - UNPAID))
def test_none_goes_for_a_payment_that_is_not_asked_for(status: PaymentStatus) -> None:
    verdict = judge(owing(status=status), ROW, NOW)
    assert verdict == Never("status", f"the payment is {status.value}")


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (owing(expires_at=NOW), "expiry"),
        (owing(is_disputed=True), "dispute"),
        (book(is_opted_out=True), "opt-out"),
        (book(wants_reminders=False), "opt-out"),
        (book(barred_why="blocked at Migo"), "barred"),
        (owing(sent_again=3), "most"),
        (
            book(slots={("p1", TUESDAY - timedelta(days=each)): 50 + each for each in (1, 2, 3)}),
            "most",
        ),
    ],
)
def test_a_series_ends(known: Book, rule: str) -> None:
    verdict = judge(known, ROW, NOW)
    assert isinstance(verdict, Never)
    assert verdict.rule == rule


def test_a_link_sent_again_by_hand_counts_as_a_reminder() -> None:
    slots = {("p1", TUESDAY - timedelta(days=2)): 50}
    assert isinstance(judge(replace(owing(sent_again=2), slots=slots), ROW, NOW), Never)
    assert judge(replace(owing(sent_again=1), slots=slots), ROW, NOW) == Go()


def test_a_retry_of_the_same_row_does_not_count_against_itself() -> None:
    slots = {("p1", TUESDAY): 1, ("p1", TUESDAY - timedelta(days=5)): 50}
    assert judge(replace(owing(sent_again=1), slots=slots), ROW, NOW) == Go()


@pytest.mark.parametrize(
    ("known", "rule", "at"),
    [
        (book(paused_until=NOW + timedelta(days=1)), "pause", "Wed 02 10:00"),
        (book(human_until=NOW + timedelta(hours=12)), "person", "Wed 02 09:00"),
        (book(slots={("p1", TUESDAY): 9}), "slot", "Wed 02 10:00"),
        (book(asks=(ask(2, is_reminder=False),)), "gap", "Wed 02 09:00"),
        (book(asks=(ask(17, is_reminder=False),)), "gap", "Tue 01 13:00"),
        (book(asks=(ask(24), ask(48))), "cap a week", "Mon 07 09:00"),
    ],
)
def test_it_waits_for_the_next_moment_allowed(known: Book, rule: str, at: str) -> None:
    verdict = judge(known, ROW, NOW)
    assert isinstance(verdict, Later)
    assert (verdict.rule, local(verdict.at)) == (rule, at)


@pytest.mark.parametrize(
    ("now", "why", "clock", "at"),
    [
        ("2026-12-01T14:59:59", "before 09:00 there", "2026-12-01 08:59", "Tue 01 09:00"),
        ("2026-12-02T00:00:00", "after 18:00 there", "2026-12-01 18:00", "Wed 02 09:00"),
        ("2026-12-06T18:00:00", "a Sunday", "2026-12-06 12:00", "Mon 07 09:00"),
    ],
)
def test_outside_the_window_it_waits(now: str, why: str, clock: str, at: str) -> None:
    verdict = judge(book(), ROW, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert isinstance(verdict, Later)
    shown = f"the customer's clock shows {clock} in America/Guatemala"
    told = f"it is {why}: {shown}"
    assert (verdict.rule, verdict.why, local(verdict.at)) == ("window", told, at)


SENT = Ask(9, "p1", True, "sms", NOW - timedelta(hours=2), is_delivered=True)
TIMELY = "by the customer's clock"


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (
            book(paused_until=NOW + timedelta(days=1)),
            f"the customer asked for time, until 2026-12-02 10:00 {TIMELY}",
        ),
        (
            book(human_until=NOW + timedelta(hours=12)),
            f"a person is talking with the customer, until 2026-12-01 22:00 {TIMELY}",
        ),
        (
            book(slots={("p1", TUESDAY): 9}, asks=(SENT,)),
            f"one went out on this date: over sms at 2026-12-01 08:00 {TIMELY}",
        ),
        (
            book(slots={("p1", TUESDAY): 9}),
            "one went out on this date: outbox row 9",
        ),
        (
            book(asks=(ask(3, is_reminder=False), ask(2, is_reminder=False, payment_id="p1"))),
            "the last payment message went out less than 20 h ago:"
            f" over whatsapp at 2026-12-01 08:00 {TIMELY}",
        ),
        (
            book(asks=(ask(2, is_reminder=False, channel="email"),)),
            "the last payment message went out less than 20 h ago:"
            f" over email at 2026-12-01 08:00 {TIMELY}, for payment p0",
        ),
        (
            book(asks=(ask(2),)),
            f"1 a day at most: 2026-12-01 08:00 (p0) {TIMELY}",
        ),
        (
            book(asks=(ask(24), ask(48, payment_id="p1"), ask(72))),
            f"2 a week at most: 2026-11-29 10:00, 2026-11-30 10:00 (p0) {TIMELY}",
        ),
    ],
)
def test_a_wait_names_what_it_was_decided_from(known: Book, why: str) -> None:
    verdict = judge(known, ROW, NOW)
    assert isinstance(verdict, Later)
    assert verdict.why == why


def test_days_between_name_the_message_that_they_count_from() -> None:
    apart = Window(REMINDING.hours, replace(COLOMBIA, days_between=3))
    verdict = judge(book(window=apart, asks=(ask(30),)), ROW, NOW)
    assert isinstance(verdict, Later)
    assert verdict.why == (
        f"3 days between two in CO: over whatsapp at 2026-11-30 04:00 {TIMELY}, for payment p0"
    )


def test_an_end_names_what_it_was_decided_from() -> None:
    slots = {("p1", TUESDAY - timedelta(days=each)): 50 + each for each in (4, 2)}
    used = replace(owing(sent_again=1), slots=slots)
    late = replace(
        owing(expires_at=NOW + timedelta(hours=20)), paused_until=NOW + timedelta(days=1)
    )
    assert [judge(each, ROW, NOW) for each in (used, owing(expires_at=NOW), late)] == [
        Never(
            "most",
            "3 were sent; 3 are the most; sent again by hand: 1;"
            " reminders on: 2026-11-27, 2026-11-29",
        ),
        Never("expiry", f"its time ran out: 2026-12-01 10:00 {TIMELY}"),
        Never(
            "expiry",
            f"pause: the customer asked for time, until 2026-12-02 10:00 {TIMELY}; by then its"
            " time has run out: it could go at 2026-12-02 10:00, and may until 2026-12-02 06:00"
            " only",
        ),
    ]


def test_another_channel_names_the_message_that_chose_it() -> None:
    own = ask(30, is_reminder=False, channel="sms", payment_id="p1")
    contact = ask(21, channel="sms")
    verdicts = [judge(book(asks=(own,)), ROW, NOW), judge(colombian(contact), ROW, NOW)]
    assert [verdict.why for verdict in verdicts if isinstance(verdict, Over)] == [
        f"its last message went over sms: 2026-11-30 04:00 {TIMELY}",
        f"a contact over sms was delivered this week: 2026-11-30 13:00 (p0) {TIMELY}",
    ]


def test_what_is_foreseen_tells_why_it_was_put_off() -> None:
    known = book(asks=(ask(24), ask(48)))
    *_, last = foresee(known, now=NOW, until=NOW + timedelta(days=6, hours=1))
    assert isinstance(last.verdict, Go)
    assert last.row.put_off_why == (
        f"cap a week: 2 a week at most: 2026-11-29 10:00 (p0), 2026-11-30 10:00 (p0) {TIMELY}"
    )


def test_what_could_only_go_too_late_is_let_go() -> None:
    known = replace(
        owing(expires_at=NOW + timedelta(hours=20)), paused_until=NOW + timedelta(days=1)
    )
    verdict = judge(known, ROW, NOW)
    assert isinstance(verdict, Never)
    assert verdict.rule == "expiry"
    assert "pause" in verdict.why


def test_of_two_reasons_to_wait_the_longer_one_counts() -> None:
    known = book(paused_until=NOW + timedelta(days=2), asks=(ask(1),))
    verdict = judge(known, ROW, NOW)
    assert isinstance(verdict, Later)
    assert verdict.rule == "pause"


def test_a_late_series_catches_up_with_one_message_in_the_newest_tone() -> None:
    late = NOW + timedelta(days=6)
    caught = follow(book(), ROW, late)
    assert (caught.tone, caught.missed, caught.rest) == (Tone.LAST, 2, ())


def test_a_promised_day_keeps_its_text_and_skips_what_came_meanwhile() -> None:
    promised = replace(ROW, tone=Tone.PROMISED, day=TUESDAY + timedelta(days=2))
    after = follow(book(), promised, NOW + timedelta(days=2))
    assert (after.tone, after.rest) == (Tone.PROMISED, (SERIES[2],))
    slots = {("p1", TUESDAY - timedelta(days=each)): 50 + each for each in (2, 4, 6)}
    assert judge(book(slots=slots), promised, NOW) == Go()


def test_it_goes_where_the_last_message_arrived() -> None:
    own = ask(30, is_reminder=False, channel="sms", payment_id="p1")
    verdict = judge(book(asks=(own,)), ROW, NOW)
    assert isinstance(verdict, Over)
    assert verdict.channel == "sms"
    tried = replace(ROW, is_fresh=False)
    assert judge(book(asks=(own,)), tried, NOW) == Go()
    assert judge(book(asks=(own,), couriers=frozenset({"whatsapp"})), ROW, NOW) == Go()


COLOMBIA = CountryPack(
    code="CO",
    zone="America/Guatemala",
    hours=hours_of("mon-sun 00:00-24:00"),
    closes_on_holidays=False,
    a_day=None,
    a_week=None,
    days_between=0,
    one_channel_a_week=True,
    source="",
)


def colombian(*asks: Ask) -> Book:
    return book(window=Window(REMINDING.hours, COLOMBIA), asks=asks)


def test_a_delivered_contact_closes_the_other_channels_for_the_week() -> None:
    verdict = judge(colombian(ask(21, channel="sms")), ROW, NOW)
    assert isinstance(verdict, Over)
    assert (verdict.channel, verdict.rule) == ("sms", "one channel a week")
    tried = judge(colombian(ask(21, channel="sms")), replace(ROW, is_fresh=False), NOW)
    assert isinstance(tried, Later)
    assert local(tried.at) == "Mon 07 09:00"


def test_an_undelivered_contact_and_last_weeks_close_nothing() -> None:
    assert judge(colombian(ask(21, channel="sms", is_delivered=False)), ROW, NOW) == Go()
    assert judge(colombian(ask(60, channel="sms")), ROW, NOW) == Go()


def test_the_weeks_channel_wins_over_the_payments_own_last_one() -> None:
    own = ask(25, is_reminder=False, channel="email", is_delivered=False, payment_id="p1")
    known = colombian(ask(21, channel="sms"), own)
    assert isinstance(judge(known, ROW, NOW), Over)
    assert judge(known, replace(ROW, channel="sms"), NOW) == Go()


def test_the_promised_day_is_kept_whatever_the_caps_say() -> None:
    promised = replace(ROW, tone=Tone.PROMISED)
    assert isinstance(judge(book(asks=(ask(24), ask(48))), ROW, NOW), Later)
    assert judge(book(asks=(ask(24), ask(48))), promised, NOW) == Go()


def two_debts(**second: object) -> Book:
    other = replace(ROW, outbox_id=2, payment_id="p2", channel="sms", not_before=NOW)
    other = replace(other, **second)  # type: ignore[arg-type]
    owed = {"p1": OWED, "p2": replace(OWED, payment_id="p2")}
    return book(owed=owed, waiting=(ROW, other))


def test_several_debts_are_one_message_a_day() -> None:
    known = two_debts(not_before=NOW + timedelta(hours=5))
    verdict = judge(known, ROW, NOW)
    assert isinstance(verdict, Go)
    assert [row.payment_id for row in verdict.with_others] == ["p2"]


def test_the_other_debts_row_leaves_the_message_to_the_first() -> None:
    known = two_debts()
    verdict = judge(known, known.waiting[1], NOW)
    assert isinstance(verdict, Later)
    assert verdict.at - NOW < timedelta(minutes=1)


def test_tomorrows_reminder_a_disputed_debt_and_an_unseen_link_stay_out_of_it() -> None:
    assert judge(two_debts(not_before=NOW + timedelta(days=1)), ROW, NOW) == Go()
    known = two_debts()
    for change in ({"is_disputed": True}, {"is_exposed": False}):
        owed = {**known.owed, "p2": replace(known.owed["p2"], **change)}  # type: ignore[arg-type]
        assert judge(replace(known, owed=owed), ROW, NOW) == Go()


def test_what_is_foreseen_keeps_the_rules() -> None:
    foreseen = list(foresee(two_debts(), now=NOW, until=NOW + timedelta(days=60)))
    gone = [seen for seen in foreseen if isinstance(seen.verdict, Go)]
    dates = [seen.at.astimezone(ZONE).date() for seen in gone]
    assert dates == [TUESDAY, TUESDAY + timedelta(days=2), TUESDAY + timedelta(days=7)]
    assert all(later - sooner >= REMINDING.gap for sooner, later in pairwise(s.at for s in gone))
    assert all(len(seen.verdict.with_others) == 1 for seen in gone if isinstance(seen.verdict, Go))
