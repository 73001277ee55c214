"""A late result is measured again, and nothing else is."""

import pytest

from tests.support_late import AGAIN, Late, again_if_late, within


class Measurement:
    """Raises these, one each time that it runs."""

    def __init__(self, *outcomes: BaseException | None) -> None:
        self.outcomes = list(outcomes)
        self.runs = 0

    async def __call__(self) -> None:
        outcome = self.outcomes[self.runs]
        self.runs += 1
        if outcome is not None:
            raise outcome


@pytest.fixture(autouse=True)
def repetitions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those of this test, which the summary leaves out."""
    own: list[str] = []
    monkeypatch.setattr("tests.support_late.REPETITIONS", own)
    return own


def test_a_limit() -> None:
    within(0.5, 0.5)
    with pytest.raises(Late, match=r"0\.600 s, and not within 0\.500 s"):
        within(0.5, 0.6)


@pytest.mark.parametrize("lates", range(AGAIN + 1))
async def test_what_is_late_is_measured_again_and_each_repetition_told(lates: int, repetitions: list[str]) -> None:
    measure = Measurement(*[Late("1 s")] * lates, None)
    await again_if_late(measure)
    assert measure.runs == lates + 1
    assert len(repetitions) == lates
    assert all(text.endswith(": 1 s") and "test_late" in text for text in repetitions)


async def test_in_the_end_late_is_a_failure() -> None:
    measure = Measurement(*[Late("1 s")] * (AGAIN + 1))
    with pytest.raises(ExceptionGroup, check=lambda group: group.subgroup(Late) is not None):
        await again_if_late(measure)
    assert measure.runs == AGAIN + 1


@pytest.mark.parametrize("error", [AssertionError("wrong"), ValueError("broken")])
async def test_another_failure_counts_at_once(error: Exception) -> None:
    measure = Measurement(error, None)
    with pytest.raises(type(error)):
        await again_if_late(measure)
    assert measure.runs == 1


async def test_another_failure_beside_a_late_one_counts_at_once() -> None:
    measure = Measurement(ExceptionGroup("both", [Late("1 s"), AssertionError("wrong")]), None)
    with pytest.raises(ExceptionGroup) as failed:
        await again_if_late(measure)
    assert measure.runs == 1
    assert [str(error) for error in failed.value.exceptions] == ["wrong"]
