"""What a rotation may believe of the keys."""

from talaria.adapters.auth.key_rotation import KeyHistory, KeyUse, merge


class Wall:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_at_the_start_every_key_may_have_signed_until_now() -> None:
    history = KeyHistory(Wall())
    history.publish([("a", "ES256"), ("b", "EdDSA")], 60)
    assert history.uses() == [
        KeyUse("a", "ES256", True, 1000.0, 1060.0),
        KeyUse("b", "EdDSA", False, 1000.0, 1060.0),
    ]


def test_a_key_that_comes_later_has_signed_nothing() -> None:
    wall = Wall()
    history = KeyHistory(wall)
    history.publish([("a", "ES256")], 60)
    wall.now = 5000.0
    history.publish([("a", "ES256"), ("b", "ES256")], 60)
    assert history.uses()[0].published_at == 1000.0
    assert history.uses()[1] == KeyUse("b", "ES256", False, 5000.0, 0.0)


def test_the_last_token_counts_even_after_the_key_stopped_signing() -> None:
    wall = Wall()
    history = KeyHistory(wall)
    history.publish([("a", "ES256")], 60)
    wall.now = 5000.0
    history.publish([("b", "ES256"), ("a", "ES256")], 60)
    history.signed("a", 5055.0)
    history.signed("a", 5050.0)
    assert [(use.kid, use.signs, use.good_until) for use in history.uses()] == [("b", True, 0.0), ("a", False, 5055.0)]


def test_a_key_that_was_retired_begins_anew() -> None:
    wall = Wall()
    history = KeyHistory(wall)
    history.publish([("a", "ES256"), ("b", "ES256")], 60)
    history.publish([("a", "ES256")], 60)
    wall.now = 5000.0
    history.publish([("a", "ES256"), ("b", "ES256")], 60)
    assert history.uses()[1].published_at == 5000.0


def test_several_processes_wait_for_the_last_of_them() -> None:
    one = [KeyUse("a", "ES256", True, 1.0, 10.0), KeyUse("b", "ES256", False, 2.0, 0.0)]
    other = [KeyUse("b", "ES256", True, 3.0, 20.0), KeyUse("a", "ES256", False, 1.0, 15.0)]
    assert merge([one, other]) == [KeyUse("a", "ES256", True, 1.0, 15.0), KeyUse("b", "ES256", True, 3.0, 20.0)]
    assert merge([]) == []
