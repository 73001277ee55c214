"""Which request targets go on byte for byte, and which are refused."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import BadRequestTarget
from talaria.entrypoints.public.validation import check_target
from tests.unit.entrypoints.public.support_targets import HALF_ENCODED, ODDLY_ENCODED, PASSED, REFUSED, Case


def refused(target: bytes) -> bool:
    """Is this target refused?"""
    try:
        check_target(target)
    except BadRequestTarget:
        return True
    return False


def test_there_are_enough_targets_and_no_two_alike() -> None:
    targets = [case.target for case in (*REFUSED, *PASSED, *ODDLY_ENCODED, *HALF_ENCODED)]
    assert len(targets) == len(set(targets)) >= 80


def those(cases: list[Case], *, refused_are: bool) -> list[Case]:
    """The cases of the table with targets that are refused, or those that are not."""
    return [case for case in cases if refused(case.target) is refused_are]


def test_a_target_that_servers_read_differently_is_refused() -> None:
    assert those(REFUSED, refused_are=False) == []


def test_any_other_target_goes_on() -> None:
    assert those(PASSED, refused_are=True) == []


def test_a_dot_segment_behind_an_odd_slash_is_refused() -> None:
    assert those(ODDLY_ENCODED, refused_are=False) == []


def test_a_lone_percent_sign_is_no_encoding() -> None:
    assert those(HALF_ENCODED, refused_are=True) == []


layers = st.integers(0, 4)
dots = st.lists(st.tuples(st.booleans(), layers), min_size=1, max_size=2)


@given(dots, st.sampled_from([b"/", b"%2f", b"%5C", b"%252F", b";", b""]), st.sampled_from([b"/", b"/a/", b"/a%2F"]))
def test_no_depth_of_encoding_hides_a_dot_segment(dots: list[tuple[bool, int]], after: bytes, before: bytes) -> None:
    segment = b"".join(b"%" + b"25" * depth + (b"2e" if low else b"2E") if depth else b"." for low, depth in dots)
    assert refused(before + segment + after)


@given(st.text(alphabet="abc.%25eEfF/;?\\", max_size=20).map(lambda text: b"/" + text.encode()))
def test_whatever_passes_has_no_dot_segment_after_any_number_of_decodings(target: bytes) -> None:
    if refused(target):
        return
    path = target.partition(b"?")[0]
    for _ in range(10):
        segments = path.replace(b"\\", b"/").split(b"/")
        assert not {segment.partition(b";")[0] for segment in segments} & {b".", b".."}
        path = path.replace(b"%2e", b".").replace(b"%2E", b".").replace(b"%2f", b"/").replace(b"%2F", b"/")
        path = path.replace(b"%25", b"%")


visible = st.binary(max_size=12).map(lambda path: b"/" + bytes(0x21 + byte % 0x5E for byte in path))
spoilt = st.builds(
    lambda path, at, byte: path[:at] + byte + path[at:], visible, st.integers(0, 13), st.binary(max_size=1)
)
outcomes: Counter[bool] = Counter()


@given(visible | spoilt)
def passes_as_visible_ascii_in_origin_form_or_not(target: bytes) -> None:
    outcomes[refused(target)] += 1
    if not refused(target):
        assert target[:1] == b"/"
        assert all(0x21 <= byte <= 0x7E for byte in target)


def test_whatever_passes_is_visible_ascii_in_origin_form() -> None:
    passes_as_visible_ascii_in_origin_form_or_not()
    assert outcomes.keys() == {True, False}
