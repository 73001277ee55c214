"""Each rule of the house finds what it is there for."""

from pathlib import Path

import pytest

from tools import house_rules

PLACES = {"src": "src/talaria/", "domain": "src/talaria/domain/", "tests": "tests/unit/", "deep": "tests/unit/deep/"}


def tree(monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """The repository, as far as the rules that read texts know: `src_a` is src/talaria/a.py."""
    texts = []
    for name, text in files.items():
        place, _, rest = name.partition("_")
        texts.append((Path(f"{PLACES[place]}{rest}.py"), text))
    monkeypatch.setattr(house_rules, "texts", lambda: texts)


@pytest.mark.parametrize("word", ["W{}ho is", "wh{}om", "wh{}ose", "x_no{}body_y", "some{}body", "Every{}body's"])
def test_a_word_for_a_person_is_found(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    word = word.replace("{}", "")
    tree(monkeypatch, src_a=f"a = 1\n# {word}\n")
    assert house_rules.person_words() == [f"src/talaria/a.py:2: # {word}"]


@pytest.mark.parametrize("word", ["whole", "wh{}ose fault", "whoosh", "antibody", "bodyless", "anyone", "nobodying"])
def test_another_word_is_not(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    tree(monkeypatch, tests_a=word.replace("{}", ""))
    assert house_rules.person_words() == []


@pytest.mark.parametrize(
    "line",
    [
        "lib.name = 1",
        "lib.part.name = 1",
        "Class.name = 1",
        "del lib.name",
        "lib.name += 1",
        "setattr(lib, 'name', 1)",
        "setattr(lib.part, 'name', 1)",
    ],
)
def test_a_patched_library_is_found(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    tree(monkeypatch, src_a=f"import lib\nfrom lib import Class\n{line}\n")
    assert len(house_rules.patched_libraries()) == 1


def test_what_is_our_own_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    tree(monkeypatch, src_a="import lib\nmine = lib.Class()\nmine.name = 1\nself.name = 2\nlib.name(1)\n")
    assert house_rules.patched_libraries() == []


@pytest.mark.parametrize(
    "line",
    ["import uvicorn._impl", "from httpcore._async import x", "from uvicorn import _x", "uvicorn.x()._inner"],
)
def test_a_private_name_is_found(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    tree(monkeypatch, src_a=f"import uvicorn\n{line}\n")
    assert len(house_rules.private_names()) == 1


def test_a_private_name_of_ours_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = "import uvicorn\nclass A:\n  def _f(self):\n    self._x = 1\n    return self._x, self._f(), self.__dict__\n"
    tree(monkeypatch, src_a=ours, src_b="import other\nother._x\n")
    assert house_rules.private_names() == []


def test_a_module_without_a_unit_test_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tree(monkeypatch, domain_a="", domain_b="", domain___init__="", src_c="", tests_test_a="")
    assert house_rules.untested_modules() == [
        "src/talaria/domain/a.py has no tests/unit/domain/test_a.py",
        "src/talaria/domain/b.py has no tests/unit/domain/test_b.py",
    ]


def test_a_helper_without_a_name_of_its_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    program = 'if __name__ == "__main__":\n    pass\n'
    tree(
        monkeypatch,
        tests_support_a="",
        deep_support_a="",
        tests_helper="",
        tests_test_x="",
        tests_conftest="",
        deep_program=program,
    )
    assert house_rules.unnamed_helpers() == [
        "tests/unit/helper.py is not called support_*.py",
        "tests/unit/support_a.py is not the only one of its name",
        "tests/unit/deep/support_a.py is not the only one of its name",
    ]


def test_files_and_sums_that_are_too_long_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tree(monkeypatch, src_a="\n" * 401, tests_b="\n" * 400)
    monkeypatch.setattr(house_rules, "median_length", lambda: 150.0)
    monkeypatch.setattr(house_rules, "excesses", lambda: ["domain: 1 lines of code too many"])
    assert house_rules.long_files() == ["src/talaria/a.py: 401 lines", "the median file of src has 150 lines"]
    assert house_rules.too_much_code() == ["domain: 1 lines of code too many"]


def test_the_program_prints_each_rule_and_fails_where_one_is_violated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(house_rules, "RULES", {"good": list, "bad": lambda: ["a.py: why"]})
    assert house_rules.main() == 1
    assert capsys.readouterr().out == "good: 0\nbad: 1\n  a.py: why\n"
