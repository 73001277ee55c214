"""Everything that was printed while the tests ran, searched for what must never be printed."""

import re

FORBIDDEN = {
    "a phone number": re.compile(r"\+[1-9]\d{6,14}\b"),
    "a personal_phone_id": re.compile(r"\bppid-[\w-]+"),
    "a token": re.compile(r"\beyJ[\w-]{8,}"),
    "a private key": re.compile(r"PRIVATE KEY|-----BEGIN"),
    "a secret of the tests": re.compile(r"\bcanary-[\w-]+"),
}

characters = [0]
found: list[str] = []


def note_printed(text: str, by: str = "a gateway") -> None:
    """Take note of what was printed, and of what should not have been."""
    characters[0] += len(text)
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(text):
            start = text.rfind("\n", 0, match.start()) + 1
            found.append(f"{by} printed {what}: {text[start : match.end() + 40]!r}")
