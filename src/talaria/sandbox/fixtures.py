"""The persons of the sandbox. Their phone numbers are of a range that is reserved for films (Ofcom: 07700 900xxx)."""

import hashlib

ANNA = "ppid-anna"
BORIS = "ppid-boris"
CHLOE = "ppid-chloe"
BLOCKED = "ppid-blocked"
NO_ACCOUNT = "ppid-no-account"
UNSUPPORTED = "ppid-unsupported"
GHOST = "ppid-ghost"
"""Has a token like the others, and is unknown to personal."""

PHONES = {
    ANNA: "+447700900001",
    BORIS: "+447700900002",
    CHLOE: "+447700900003",
    BLOCKED: "+447700900101",
    NO_ACCOUNT: "+447700900102",
    UNSUPPORTED: "+447700900103",
}
"""What personal knows."""

EMAILS = {person: f"{person.removeprefix('ppid-')}@people.example" for person in PHONES}
"""The same persons' addresses, of a domain that is reserved for examples (RFC 2606)."""


def user_id_for(phone: str) -> str:
    """The id that wind gives to a new user: always the same for a phone number, and it does not show it."""
    return "wind-user-" + hashlib.sha256(b"wind:" + phone.encode()).hexdigest()[:16]
