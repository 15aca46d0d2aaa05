"""Cron with six fields: what it allows, what it refuses, and when it comes next."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.cluster.cron import DESCRIPTORS, Cron
from towerflow.errors import InputError

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)
NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def times(text: str, count: int, after: datetime = SUNDAY) -> list[str]:
    """The next times, as text."""
    return [f"{time:%m-%d %H:%M:%S}" for time in islice(Cron.parse(text).times(after), count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 3 * * *", ["11-22 03:00:00", "11-23 03:00:00"]),
        ("0 0 0 * * *", ["11-23 00:00:00", "11-24 00:00:00"]),  # later than, not at
        ("30 15 10 ? * MON-fri", ["11-23 10:15:30", "11-24 10:15:30"]),
        ("0 0 12 * * 0,6", ["11-22 12:00:00", "11-28 12:00:00"]),
        ("0 */20 * * * *", ["11-22 00:20:00", "11-22 00:40:00", "11-22 01:00:00"]),
        ("0 50/5 * * * *", ["11-22 00:50:00", "11-22 00:55:00", "11-22 01:50:00"]),
        ("0 10-20/7 0 * * *", ["11-22 00:10:00", "11-22 00:17:00", "11-23 00:10:00"]),
        ("0 0 6 1 JAN,jul *", ["01-01 06:00:00", "07-01 06:00:00"]),
        ("0 0 6 29 2 *", ["02-29 06:00:00"]),  # of 2028
        # Days in both fields: either is enough, as in every cron.
        ("0 0 6 24 * MON", ["11-23 06:00:00", "11-24 06:00:00", "11-30 06:00:00"]),
        ("0 0 6 */10 * *", ["12-01 06:00:00", "12-11 06:00:00"]),
        (" @daily ", ["11-23 00:00:00"]),
        ("@weekly", ["11-29 00:00:00"]),
    ],
)
def test_the_next_times(text: str, expected: list[str]) -> None:
    assert times(text, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 3 * * *", 'put "0 " in front: "0 0 3 * * *"'),
        ("* * * *", "expected six fields: second, minute, hour, day of month, month"),
        ("", "found 0"),
        ("0 0 0 1 1 * 2027", "found 7"),
        ("60 0 0 * * *", "second: expected 0 to 59, lists, ranges, steps or *, found '60'"),
        ("0 60 0 * * *", "minute: expected 0 to 59"),
        ("0 0 24 * * *", "hour: expected 0 to 23"),
        ("0 0 0 0 * *", "day of month: expected 1 to 31"),
        ("0 0 0 32 * *", "day of month: expected 1 to 31"),
        ("0 0 0 * 13 *", "month: expected 1 to 12 or JAN-DEC"),
        ("0 0 0 * * 7", "day of week: expected 0 to 6 or SUN-SAT"),
        ("0 0 0 * * SUNDAY", "day of week: expected 0 to 6 or SUN-SAT"),
        ("0 5-3 0 * * *", "minute: expected"),
        ("0 */0 0 * * *", "minute: expected"),
        ("0 */ 0 * * *", "minute: expected"),
        ("0 */60 0 * * *", "minute: expected"),
        pytest.param(f"0 */{'1' * 5000} 0 * * *", "minute: expected", id="long step"),
        pytest.param(f"0 {'1' * 5000} 0 * * *", "minute: expected", id="long number"),
        ("0 1,,2 0 * * *", "minute: expected"),
        ("0 +1 0 * * *", "minute: expected"),
        ("0 *-5 0 * * *", "minute: expected"),
        ("0 1-2-3 0 * * *", "minute: expected"),
        ("0 1/2/3 0 * * *", "minute: expected"),
        ("0 ² 0 * * *", "minute: expected"),
        ("0 0 0 * * ſun", "day of week: expected 0 to 6 or SUN-SAT"),
        ("0 0 0 * * mon-frı", "day of week: expected 0 to 6 or SUN-SAT"),
        ("0 0 0 L * *", "day of month: expected"),
        ("0 0 0 31 2 *", "expected times that come, found none in five years"),
        ("0 0 0 31 APR,JUN *", "expected times that come"),
        ("0 0 0 */2 * MON", "both depends on the version of Kubeflow Pipelines"),
        ("0 0 0 13 * */2", "both depends on the version of Kubeflow Pipelines"),
        ("@every 1h", "expected six fields or one of @yearly"),
        ("@reboot", "expected six fields or one of @yearly"),
        ("TZ=Europe/Berlin 0 0 3 * * *", "found 7"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(InputError, match=r"^--cron") as caught:
        Cron.parse(text)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_are_sent_as_six_fields(name: str) -> None:
    assert Cron.parse(name).text == DESCRIPTORS[name]


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """`*`, numbers, ranges and steps of one field."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    single = st.one_of(number.map(str), span)
    stepped = st.tuples(st.one_of(st.just("*"), span), st.integers(1, max(high // 2, 1))).map(
        lambda both: f"{both[0]}/{both[1]}"
    )
    lists = st.lists(st.one_of(single, stepped), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), st.just("?"), lists)


FIELDS = st.tuples(
    field(0, 59), field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)
)


def allowed(text: str, low: int, high: int) -> set[int]:
    """The plain reading of a field, number by number."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        ends = [low, high] if span in "*?" else [int(end) for end in span.split("-")]
        found |= {n for n in range(ends[0], ends[-1] + 1) if (n - ends[0]) % int(step or 1) == 0}
    return found


def fits(fields: tuple[str, ...], time: datetime) -> bool:
    """Whether a second is one of the schedule's."""
    bounds = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
    sets = [allowed(text, *bound) for text, bound in zip(fields, bounds, strict=True)]
    weekday = NAMES.index(time.strftime("%a").upper())
    day, week = time.day in sets[3], weekday in sets[5]
    both = fields[3] in "*?" or fields[5] in "*?"
    return (
        time.second in sets[0]
        and time.minute in sets[1]
        and time.hour in sets[2]
        and time.month in sets[4]
        and ((day and week) if both else (day or week))
    )


@given(FIELDS, st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))
def test_each_next_time_fits_all_fields_and_is_later(
    fields: tuple[str, ...], after: datetime
) -> None:
    try:
        cron = Cron.parse(" ".join(fields))
    except InputError as error:
        told = str(error)
        assert "depends on the version" in told or "none in five years" in told
        return
    found = list(islice(cron.times(after), 5))
    assert all(fits(fields, time) for time in found)
    assert [after, *found] == sorted({after, *found})


@given(FIELDS, st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))
def test_no_time_is_left_out(fields: tuple[str, ...], after: datetime) -> None:
    after = after.replace(microsecond=0)
    try:
        cron = Cron.parse(" ".join(fields))
    except InputError:
        return
    # Second by second for an hour; what comes later is another's business.
    hour = [after + timedelta(seconds=second) for second in range(1, 3601)]
    slow = [time for time in hour if fits(fields, time)][:5]
    found = [time for time in islice(cron.times(after), 5) if time <= hour[-1]]
    assert found == slow


@given(FIELDS, st.dates(date(2026, 1, 1), date(2030, 1, 1)))
def test_the_next_day_is_the_first_that_fits(fields: tuple[str, ...], day: date) -> None:
    fields = ("0", "0", "0", *fields[3:])
    try:
        cron = Cron.parse(" ".join(fields))
    except InputError:
        return
    start = datetime.fromisoformat(str(day))
    days = (start + timedelta(days=number) for number in range(1, 5 * 366))
    assert next(cron.times(start)) == next(time for time in days if fits(fields, time))
