"""The `date` of our answers (RFC 9110, section 6.6.1), written once a second."""

import time
from email.utils import formatdate

from talaria.domain.http import Header

_written: tuple[int, Header] = (0, (b"date", b""))


def date_header() -> Header:
    """The header for an answer of this moment."""
    global _written
    now = int(time.time())
    if _written[0] != now:
        _written = (now, (b"date", formatdate(now, usegmt=True).encode()))
    return _written[1]
