"""HTTP-date (RFC 9110 §5.6.7), without locale, time zone database or regular expressions.

Times are Unix seconds. The calendar is computed here, since `email.utils` and `time` are not pure.
"""

from __future__ import annotations

from typing import Final

__all__ = ["format_http_date", "parse_http_date"]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS: Final = frozenset({"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"})
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS: Final = {name: number for number, name in enumerate(_MONTHS, 1)}
_MONTH_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_FIRST: Final = -62_167_219_200  # 0000-01-01T00:00:00Z
_END: Final = 253_402_300_800  # 10000-01-01T00:00:00Z
_FIFTY_YEARS: Final = 50 * 365.2425 * 86_400


def parse_http_date(text: str, now_wall: float | None = None) -> float | None:
    """The Unix time that an HTTP-date names, or None when the text is not exactly an HTTP-date.

    All three forms are read: IMF-fixdate, the obsolete RFC 850 form and asctime's. The grammar does not tie
    the name of the day to the date, so only its spelling is checked. The two-digit year of RFC 850 means the
    latest year that is no more than 50 years after `now_wall` (Unix time); without it, 70–99 are 1970–1999.

    >>> parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")
    784111777.0
    >>> parse_http_date("1994-11-06T08:49:37Z") is None
    True
    """
    # int() would take digits of other scripts, so nothing but ASCII gets that far.
    if not text.isascii():
        return None
    if text[3:5] == ", " and len(text) == 29:
        return _parse_fixdate(text)
    if text[3:4] == " ":
        return _parse_asctime(text)
    return _parse_rfc850(text, now_wall)


def _parse_fixdate(text: str) -> float | None:
    # Sun, 06 Nov 1994 08:49:37 GMT
    if text[:3] not in _DAYS or text[7] != " " or text[11] != " " or text[16] != " " or text[25:] != " GMT":
        return None
    return _seconds(text[12:16], text[8:11], text[5:7], text[17:25])


def _parse_asctime(text: str) -> float | None:
    # Sun Nov  6 08:49:37 1994
    if len(text) != 24 or text[:3] not in _DAYS or text[7] != " " or text[10] != " " or text[19] != " ":
        return None
    day = text[8:10]
    return _seconds(text[20:24], text[4:7], f"0{day[1]}" if day[0] == " " else day, text[11:19])


def _parse_rfc850(text: str, now_wall: float | None) -> float | None:
    # Sunday, 06-Nov-94 08:49:37 GMT
    day_name, _, rest = text.partition(", ")
    if day_name not in _LONG_DAYS or len(rest) != 22 or rest[2] != "-" or rest[6] != "-" or rest[9] != " ":
        return None
    short_year = rest[7:9]
    if rest[18:] != " GMT" or not short_year.isdigit():
        return None
    latest = 2069 if now_wall is None else _civil(int(now_wall // 86_400))[0] + 50
    year = latest - (latest - int(short_year)) % 100
    seconds = _seconds(f"{year:04}", rest[3:6], rest[:2], rest[10:18])
    if seconds is not None and now_wall is not None and seconds > now_wall + _FIFTY_YEARS:
        return _seconds(f"{year - 100:04}", rest[3:6], rest[:2], rest[10:18])
    return seconds


def _seconds(year: str, month_name: str, day: str, clock: str) -> float | None:
    month = _MONTH_NUMBERS.get(month_name)
    hour, minute, second = clock[:2], clock[3:5], clock[6:]
    if month is None or clock[2] != ":" or clock[5] != ":":
        return None
    if not (year + day + hour + minute + second).isdigit():
        return None
    y, d, h, m, s = int(year), int(day), int(hour), int(minute), int(second)
    # Second 60 is a leap second; Unix time counts it as the next minute's first.
    if not 1 <= d <= _MONTH_LENGTHS[month - 1] + (month == 2 and _is_leap(y)) or h > 23 or m > 59 or s > 60:
        return None
    return float(_day_number(y, month, d) * 86_400 + h * 3_600 + m * 60 + s)


def format_http_date(seconds: float) -> str:
    """The IMF-fixdate of a Unix time; fractions of a second are cut off.

    Raises ValueError outside the years 0 to 9999, which the format cannot express.

    >>> format_http_date(784111777.9)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    if not _FIRST <= seconds < _END:
        raise ValueError(f"an HTTP-date has a year from 0 to 9999: {seconds!r} seconds is outside")
    days, rest = divmod(int(seconds // 1), 86_400)
    year, month, day = _civil(days)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    # Day 0, 1 January 1970, was a Thursday.
    weekday = _DAYS[(days + 3) % 7]
    return f"{weekday}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


# The two conversions count from 1 March of year 0, so that a leap day is the last day of its year; 719,468
# days lie between then and 1 January 1970. From March on, any five months have 153 days.


def _day_number(year: int, month: int, day: int) -> int:
    """Days since 1 January 1970 in the proleptic Gregorian calendar."""
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 1 - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day number: the inverse of `_day_number`."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day
