"""Names for persons in lines: the same person has the same one, and nobody without the key can tell whose it is."""

import hmac
from collections.abc import Callable

from talaria.domain.model import PersonalPhoneId

LENGTH = 12


def pseudonyms(key: bytes) -> Callable[[str, PersonalPhoneId], str]:
    """What names a person of a caller: 12 hex digits of HMAC-SHA256 over caller, NUL and personal_phone_id.

    The caller's name is part of it, so that two callers' ids never look like one person.
    """
    keyed = hmac.new(key, digestmod="sha256")

    def of(caller: str, phone_id: PersonalPhoneId) -> str:
        hashed = keyed.copy()
        hashed.update(f"{caller}\0{phone_id.reveal()}".encode())
        return hashed.hexdigest()[:LENGTH]

    return of
