"""Whatever stands in a configuration or in a key's file: it is taken, or every problem is said, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.auth.key_files import check_key_set, load_public_keys, load_signing_key
from talaria.entrypoints.config import ConfigurationError, Problem, load
from tests.unit.entrypoints.config.conftest import GOOD, Bench
from tests.unit.entrypoints.config.support_config import ENVIRON
from tests.unit.support_keys import ED25519, P256, RSA, private_pem, public_pem, set_of


def paths_of(tree: dict[str, Any], at: str = "") -> Iterator[str]:
    """Every key and every table of a configuration."""
    for name, value in tree.items():
        yield f"{at}{name}"
        if isinstance(value, dict):
            yield from paths_of(value, f"{at}{name}.")


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "wind", "0s", "10s", "8KiB", "::1", "http://a", "a:1", "10.0.0.0/8"]
)
NAMES = st.text(min_size=1, max_size=8) | st.sampled_from(["env", "file", "url", "kid", "cert_file"])
SIMPLE = TEXTS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
PLACES = st.sampled_from(sorted(paths_of(GOOD)))


@given(st.dictionaries(PLACES.filter(lambda place: "." in place), VALUES, min_size=1, max_size=2))
def test_a_configuration_is_taken_or_its_problems_are_said(bench: Bench, changes: dict[str, Any]) -> None:
    if any(place.startswith(f"{other}.") for place in changes for other in changes):
        return  # one inside the other
    problems: Sequence[Problem] = ()
    try:
        bench.load(changes)
    except ConfigurationError as refused:
        problems = refused.problems
    assert all(problem.wrong and problem.hint for problem in problems)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_file_is_taken_or_its_problem_is_said(bench: Bench, text: bytes) -> None:
    bench.file.write_bytes(text)
    with pytest.raises(ConfigurationError):
        load(bench.file, {})


@pytest.mark.parametrize("written", ["9" * 5000, "0x" + "f" * 4000, "[" * 5000, "{a=" * 5000, "1e9999"])
def test_what_is_out_of_all_proportion_is_a_problem(bench: Bench, written: str) -> None:
    said = bench.problems(environ={**ENVIRON, "TALARIA__SERVER__WORKERS": written})
    assert "write a whole number" in str(said["server.workers"])
    bench.file.write_text(f"[server]\nworkers = {written}\n")
    with pytest.raises(ConfigurationError):
        load(bench.file, {})


READERS: list[Callable[[bytes], object]] = [load_signing_key, load_public_keys, check_key_set]
DOCUMENTS = [private_pem(P256), private_pem(RSA), public_pem(ED25519), public_pem(P256), set_of(a=P256, b=RSA)]


@given(
    st.sampled_from(READERS), st.sampled_from(DOCUMENTS), st.integers(0, 2000), st.integers(0, 9), st.binary(max_size=9)
)
def test_a_key_is_taken_or_refused(
    read: Callable[[bytes], object], document: bytes, at: int, gone: int, new: bytes
) -> None:
    at %= len(document)
    said = "taken"
    try:
        read(document[:at] + new + document[at + gone :])
    except ValueError as refused:
        said = str(refused)
    assert said
    assert not [line for line in document.decode().splitlines() if line in said and not line.startswith("-")]
