"""A person's name in the lines."""

import hashlib
import hmac

from talaria.adapters.telemetry.pseudonyms import pseudonyms
from talaria.domain.model import PersonalPhoneId

ANNA = PersonalPhoneId("ppid-anna")


def test_it_is_twelve_digits_of_the_keyed_hash() -> None:
    expected = hmac.new(b"k" * 32, b"app\0ppid-anna", hashlib.sha256).hexdigest()[:12]
    assert pseudonyms(b"k" * 32)("app", ANNA) == expected


def test_the_same_person_has_the_same_one_and_others_have_others() -> None:
    of = pseudonyms(b"k" * 32)
    assert of("app", ANNA) == of("app", PersonalPhoneId("ppid-anna"))
    others = {of("app", PersonalPhoneId("ppid-boris")), of("web", ANNA), pseudonyms(b"j" * 32)("app", ANNA)}
    assert len(others | {of("app", ANNA)}) == 4


def test_a_border_between_caller_and_id_can_not_be_moved() -> None:
    of = pseudonyms(b"k" * 32)
    assert of("app", PersonalPhoneId("xppid")) != of("appx", PersonalPhoneId("ppid"))
