"""Cron as Kubeflow Pipelines reads it: robfig/cron 1 with six fields, seconds first, in UTC.

Accepted is only what every version of that parser takes in the same way, see
https://pkg.go.dev/github.com/robfig/cron#hdr-CRON_Expression_Format.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from towerflow.errors import InputError, shortened

DESCRIPTORS: Final = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
HORIZON: Final = timedelta(days=5 * 366)  # robfig gives up after five years


_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class _Field(NamedTuple):
    """What one of the six may hold."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _WEEKDAYS),
)


class Cron(BaseModel):
    """A set of times.

    Attributes:
        text: the six fields, with one space between them.
        days_together: a day has to fit both day of month and day of week; else one of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    days_together: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """The times that `text` stands for.

        Raises:
            InputError: it is not cron with six fields, or a time that never comes.
        """
        parts = DESCRIPTORS.get(text.strip(), text).split()
        if text.strip().startswith("@") and text.strip() not in DESCRIPTORS:
            raise _wrong(text, f"six fields or one of {', '.join(DESCRIPTORS)}", text)
        if len(parts) == 5:
            # KFP's parser takes five too, but as second to month: a daily time becomes an hourly.
            hint = f'for the usual cron put "0 " in front: "0 {" ".join(parts)}"'
            raise _wrong(text, "six fields, seconds first", "five", hint)
        if len(parts) != 6:
            expected = "six fields: second, minute, hour, day of month, month, day of week"
            raise _wrong(text, expected, f"{len(parts)}")
        values = [_values(text, field, part) for field, part in zip(_FIELDS, parts, strict=True)]
        days, weekdays = parts[3], parts[5]
        _refuse_unclear(text, days, weekdays)
        cron = cls(
            text=" ".join(parts),
            seconds=values[0],
            minutes=values[1],
            hours=values[2],
            days=values[3],
            months=values[4],
            weekdays=values[5],
            days_together=_starred(days) or _starred(weekdays),
        )
        if next(cron.times(datetime(2026, 1, 1)), None) is None:
            raise _wrong(text, "times that come", "none in five years")
        return cron

    def times(self, after: datetime) -> Iterator[datetime]:
        """The times later than `after`, in order, until the next is over five years away."""
        last = after
        while (found := self._next(last)) is not None:
            yield found
            last = found

    def _next(self, after: datetime) -> datetime | None:
        day = after.date()
        while day - after.date() <= HORIZON:
            if self._on(day):
                for moment in self._moments():
                    candidate = datetime.combine(day, moment, after.tzinfo)
                    if candidate > after:
                        return candidate
            day += timedelta(days=1)
        return None

    def _on(self, day: date) -> bool:
        fits = (day.day in self.days, day.isoweekday() % 7 in self.weekdays)
        return day.month in self.months and (all(fits) if self.days_together else any(fits))

    def _moments(self) -> Iterator[time]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    yield time(hour, minute, second)


def _values(text: str, field: _Field, part: str) -> frozenset[int]:
    return frozenset(value for one in part.split(",") for value in _range(text, field, one))


def _range(text: str, field: _Field, part: str) -> range:
    """`*`, `?`, `3`, `3-8`, each with `/step`; `3/8` goes on to the highest."""
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    if span in ("*", "?"):
        low, high = field.lowest, field.highest
    else:
        low = _number(text, field, first, part)
        high = _number(text, field, last, part) if dash else (field.highest if slash else low)
    every = int(step) if step.isascii() and step.isdigit() and len(step) < 5 else 0
    if low > high or (slash and not 0 < every <= field.highest):
        raise _wrong(text, _allowed(field), f"'{part}'", field=field.name)
    return range(low, high + 1, every or 1)


def _number(text: str, field: _Field, word: str, part: str) -> int:
    if word.isascii() and word.upper() in field.names:  # "ſun" in capitals would be SUN
        return field.lowest + field.names.index(word.upper())
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 5 else -1
    if not field.lowest <= number <= field.highest:
        raise _wrong(text, _allowed(field), f"'{part}'", field=field.name)
    return number


def _refuse_unclear(text: str, days: str, weekdays: str) -> None:
    """Whether `*/2` in one means and, or or, is another thing in versions 1 and 3 of robfig."""
    for one, other in ((days, weekdays), (weekdays, days)):
        if _starred(one) and one not in ("*", "?") and other not in ("*", "?"):
            raise _wrong(
                text,
                "* as day of month or day of week, or lists in both",
                f"'{days}' and '{weekdays}'",
                "whether a day has to fit both depends on the version of Kubeflow Pipelines",
            )


def _starred(part: str) -> bool:
    return any(one.startswith(("*", "?")) for one in part.split(","))


def _allowed(field: _Field) -> str:
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    return f"{field.lowest} to {field.highest}{names}, lists, ranges, steps or *"


def _wrong(text: str, expected: str, found: str, hint: str = "", field: str = "") -> InputError:
    return InputError(
        f"--cron '{shortened(text)}'",
        field=field,
        expected=expected,
        found=shortened(found),
        hint=shortened(hint),
    )
