"""A check that nothing personal is printed: no phone number, no e-mail address."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

_PERSONAL = (
    re.compile(r"(?<![\w.])\+?[1-9]\d{9,14}\b"),
    re.compile(r"\+[1-9]\d{6,14}\b"),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
)


def personal_in(text: str) -> list[str]:
    """What looks like a phone number or an e-mail address in this text, each cut to its first three characters."""
    found = {match.group() for form in _PERSONAL for match in form.finditer(text)}
    return sorted(f"{one[:3]}..." for one in found)


@contextmanager
def logged() -> Iterator[StringIO]:
    """What is logged meanwhile, by any logger at any level, with its traceback."""
    text = StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    loggers = [logging.getLogger(), logging.getLogger("talaria")]  # the second may have a level of its own
    levels = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        loggers[0].removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
