"""Numbers and times as people read them."""

import time

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def rate(per_second: float) -> str:
    """Such as "0", "0.02", "3.4", "1,204"."""
    if per_second == 0:
        return "0"
    if per_second < 0.1:
        return f"{per_second:.2f}"
    return f"{per_second:.1f}" if per_second < 10 else f"{per_second:,.0f}"


def duration(seconds: float | None) -> str:
    """A short one, such as "0.8 ms", "120 ms", "1.20 s"; a dash where there is none."""
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def span(seconds: float) -> str:
    """A long one, by its largest unit: "45 s", "12 min", "3 h", "12 days"."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days"


def moment(text: str, now: float) -> str:
    """A moment of RFC 3339, without its day where that is today's: "12:00:05", "2026-11-28 12:00:05". In UTC."""
    date, time_of_day = text[:10], text[11:19]
    return time_of_day if date == day(now) else f"{date} {time_of_day}"


def day(seconds: float) -> str:
    """A moment since the epoch as its day in UTC: "2026-11-28"."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def percent(share: float) -> str:
    """Such as "0 %", "0.4 %", "98.2 %"; never a hundred where it is less."""
    return f"{int(share * 1000) / 10:g} %"


def megabytes(count: float) -> str:
    """Bytes, such as "84 MB"."""
    return f"{count / 1e6:,.0f} MB"
