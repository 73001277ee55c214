"""wind's rules about users and idempotency keys, without its server."""

import pytest

from talaria.sandbox import fixtures as people
from talaria.sandbox.errors import Refused
from talaria.sandbox.wind import Wind


def test_a_known_user_is_found_and_a_new_one_made_once() -> None:
    wind = Wind("key")
    assert wind.resolve(people.PHONES[people.ANNA], "1") == ("wind-user-anna", False)
    made, created = wind.resolve(people.PHONES[people.CHLOE], "2")
    assert created
    assert wind.resolve(people.PHONES[people.CHLOE], "3") == (made, False)
    assert made == people.user_id_for(people.PHONES[people.CHLOE])


def test_a_duplicate_gets_the_same_answer_again() -> None:
    wind = Wind("key")
    first = wind.resolve("+4915550000001", "1")
    assert wind.resolve("+4915550000001", "1") == first == (people.user_id_for("+4915550000001"), True)
    assert wind.duplicates == 1


def test_a_key_is_for_one_phone_number() -> None:
    wind = Wind("key")
    wind.resolve("+4915550000001", "1")
    with pytest.raises(Refused, match="another phone number"):
        wind.resolve("+4915550000002", "1")


@pytest.mark.parametrize(
    ("person", "status", "code"),
    [
        (people.BLOCKED, 403, "user_blocked"),
        (people.NO_ACCOUNT, 404, "user_not_found"),
        (people.UNSUPPORTED, 422, "phone_not_supported"),
    ],
)
def test_whom_wind_refuses(person: str, status: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        Wind("key").resolve(people.PHONES[person], "1")
    assert (refused.value.status_code, refused.value.code) == (status, code)
