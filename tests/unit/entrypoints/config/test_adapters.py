"""What a partner's adapter says of its options and secrets is held against the file, before anything starts."""

from pathlib import Path
from typing import Any

import pytest

from talaria.adapters.partners import Adapter
from tests.support_plugins import ADAPTER, install
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON

COMET = {"url": "https://comet.example"}
A_SECRET = {"env": "WIND_API_KEY"}
ENOUGH = {**COMET, "options": {"region": "eu"}, "secrets": {"secret": A_SECRET}}
REFUSING = "    size: int = 1\n    def __post_init__(self):\n        raise ValueError('no')"


@pytest.fixture(autouse=True)
def comet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter from outside, which takes the options `region` and `size` and the secret `secret`."""
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder, monkeypatch, "comet")


def test_options_and_secrets_become_the_adapters_own_type(bench: Bench) -> None:
    partner = bench.load({"partners.comet": ENOUGH}).partners["comet"]
    assert (partner.adapter_options.region, partner.adapter_options.size) == ("eu", 1)
    assert partner.adapter_options.secret.reveal() == ENVIRON["WIND_API_KEY"]
    assert ENVIRON["WIND_API_KEY"] not in repr(partner)
    assert isinstance(partner.found, Adapter)
    assert (partner.found.distribution, partner.found.version) == ("talaria-partner-comet", "1.2")
    assert partner.api_key is None


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"options": {}}, "options.region", "missing"),
        ({"secrets": {}}, "secrets.secret", "missing"),
        ({"options": {"region": 7}}, "options.region", "Expected `str`, got `int`"),
        ({"options": {"region": "eu", "size": "big"}}, "options.size", "Expected `int`"),
        ({"options": {"region": "eu", "regoin": "eu"}}, "options.regoin", 'did you mean "region"'),
        ({"options": {"region": "eu", "secret": "s3"}}, "options.secret", "write it under secrets"),
        (
            {"secrets": {"secret": {"env": "WIND_API_KEY"}, "region": {"env": "WIND_API_KEY"}}},
            "secrets.region",
            "this stands under options too",
        ),
        ({"secrets": {"secret": "plain"}}, "secrets.secret", "never written into the configuration"),
        ({"options": "eu"}, "options", "a string stands here"),
    ],
)
def test_what_does_not_fit_is_a_problem_where_it_stands(
    bench: Bench, changes: dict[str, Any], key: str, says: str
) -> None:
    problems = bench.problems({"partners.comet": ENOUGH | changes})
    assert f"partners.comet.{key}" in problems
    problem = problems[f"partners.comet.{key}"]
    assert says in f"{problem.wrong}; {problem.hint}"
    assert "s3" not in str(problem)
    assert "plain" not in str(problem)


def test_what_need_not_be_a_secret_may_be_one(bench: Bench) -> None:
    secrets = {"secret": A_SECRET, "region": A_SECRET}
    options = bench.load({"partners.comet": {**COMET, "secrets": secrets}}).partners["comet"].adapter_options
    assert (options.region, options.secret.reveal()) == (ENVIRON["WIND_API_KEY"],) * 2


def test_a_secret_that_does_not_fit_is_not_shown(bench: Bench) -> None:
    problems = bench.problems({"partners.comet": {**ENOUGH, "secrets": {"secret": A_SECRET, "size": A_SECRET}}})
    assert ENVIRON["WIND_API_KEY"] not in str(problems)
    assert "Expected `int`, got `str`" in str(problems["partners.comet.options"])


def test_a_secret_that_the_options_type_quotes_is_not_shown(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoting = "    size: int = 1\n    def __post_init__(self):\n        raise ValueError(f'no {self.secret.reveal()}')"
    (tmp_path / "quoting").mkdir()
    install(tmp_path / "quoting", monkeypatch, "quoting", ADAPTER.replace("    size: int = 1", quoting))
    assert "refuses them (no ***)" in str(bench.problems({"partners.quoting": ENOUGH})["partners.quoting.options"])


def test_an_adapter_without_options_takes_none(bench: Bench) -> None:
    problems = bench.problems({"partners.wind.options": {"region": "eu"}})
    assert set(problems) == {"partners.wind.options.region"}


def test_wind_wants_its_api_key(bench: Bench) -> None:
    assert set(bench.problems({"partners.wind.api_key": None})) == {"partners.wind.api_key"}


def test_what_the_options_type_itself_refuses_is_a_problem(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = ADAPTER.replace(
        "    size: int = 1", "    size: int = 1\n    def __post_init__(self):\n        raise ValueError('no')"
    )
    folder = tmp_path / "strict"
    folder.mkdir()
    install(folder, monkeypatch, "strict", strict)
    assert "refuses them (no)" in str(bench.problems({"partners.strict": ENOUGH})["partners.strict.options"])


def test_one_that_fails_to_import_is_one_problem_with_its_cause(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    install(folder, monkeypatch, "broken", "import no_such_module")
    problems = bench.problems({"partners.broken": COMET})
    assert set(problems) == {"partners.broken.adapter"}
    assert "No module named 'no_such_module'" in str(problems["partners.broken.adapter"])


def test_hops_that_the_gateway_has_not_are_a_problem(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hopping"
    folder.mkdir()
    source = ADAPTER.replace("contract = 1", "contract = 1\n    hops = ('personal.name', 'partner')")
    install(folder, monkeypatch, "hopping", source)
    problems = bench.problems({"partners.hopping": ENOUGH})
    assert "hops that this gateway has not" in str(problems["partners.hopping.adapter"])


def test_an_adapter_of_no_distribution_is_no_adapter(bench: Bench) -> None:
    assert 'did you mean "comet"' in bench.problems({"partners.wind.adapter": "commet"})["partners.wind.adapter"].hint


TRIAL = {"adapter": "comet", "share": 0.05, "options": {"region": "eu"}, "secrets": {"secret": A_SECRET}}


@pytest.fixture
def harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one from outside, which a shadow may be."""
    folder = tmp_path / "harmless"
    folder.mkdir()
    install(
        folder, monkeypatch, "harmless", ADAPTER.replace("contract = 1", "contract = 1\n    side_effect_free = True")
    )


@pytest.mark.usefixtures("harmless")
def test_an_adapter_on_trial_is_the_partner_with_what_it_has_of_its_own(bench: Bench) -> None:
    shadow = {**TRIAL, "adapter": "harmless", "url": "https://new.wind.example"}
    wind = bench.load({"partners.wind.shadow": shadow, "partners.wind.canary": {**TRIAL, "share": 1}}).partners["wind"]
    trials = wind.trials
    assert (wind.shadow and wind.shadow.share, wind.canary and wind.canary.share) == (0.05, 1.0)
    assert {role: (one.dependency, one.adapter, one.url) for role, one in trials.items()} == {
        "shadow": ("wind.shadow", "harmless", "https://new.wind.example"),
        "canary": ("wind.canary", "comet", wind.url),
    }
    assert all(one.adapter_options.region == "eu" and one.api_key == wind.api_key for one in trials.values())
    assert (wind.dependency, wind.adapter, wind.adapter_options) == ("wind", "wind", None)


@pytest.mark.usefixtures("harmless")
def test_options_and_secrets_that_it_has_not_are_the_partners(bench: Bench) -> None:
    comet = bench.load({"partners.comet": {**ENOUGH, "shadow": {"adapter": "harmless", "share": 0.5}}}).partners[
        "comet"
    ]
    assert comet.trials["shadow"].adapter_options.region == "eu"


@pytest.mark.parametrize(
    ("role", "changes", "key", "says"),
    [
        ("shadow", {}, "shadow.adapter", "side_effect_free = True"),
        ("canary", {"adapter": "wimd"}, "canary.adapter", 'did you mean "wind"'),
        ("canary", {"share": 1.1}, "canary.share", "a number from 0 to 1"),
        ("canary", {"share": -0.1}, "canary.share", "a number from 0 to 1"),
        ("canary", {"share": "5%"}, "canary.share", "a number from 0 to 1"),
        ("canary", {"options": {}}, "canary.options.region", "missing"),
        ("canary", {"secrets": {}}, "canary.secrets.secret", "missing"),
        ("canary", {"url": "wind"}, "canary.url", "http"),
        ("canary", {"weight": 1}, "canary.weight", "no such key"),
    ],
)
def test_what_can_not_be_tried_is_a_problem_where_it_stands(
    bench: Bench, role: str, changes: dict[str, Any], key: str, says: str
) -> None:
    problems = bench.problems({f"partners.wind.{role}": TRIAL | changes})
    assert set(problems) == {f"partners.wind.{key}"}
    assert says in str(problems[f"partners.wind.{key}"])


def test_a_trial_says_which_adapter_and_how_much(bench: Bench) -> None:
    assert set(bench.problems({"partners.wind.canary": {}})) >= {
        "partners.wind.canary.adapter",
        "partners.wind.canary.share",
    }


def test_an_adapter_on_trial_may_need_the_partners_api_key(bench: Bench) -> None:
    problems = bench.problems({"partners.comet": {**ENOUGH, "canary": {"adapter": "wind", "share": 0.1}}})
    assert "partners.comet.api_key" in problems


def test_an_adapter_on_trial_asks_for_the_same_kind_of_identity(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "by_email"
    folder.mkdir()
    install(
        folder,
        monkeypatch,
        "post",
        ADAPTER.replace("contract = 1", "contract = 1\n    hops = ('personal.email', 'partner')"),
    )
    problems = bench.problems({"partners.wind.canary": {**TRIAL, "adapter": "post"}})
    assert "another kind of identity" in str(problems["partners.wind.canary.adapter"])


@pytest.mark.usefixtures("harmless")
def test_plain_http_to_an_adapter_on_trial_is_a_warning_once(bench: Bench) -> None:
    for url, keys in (("http://new.example", ["partners.wind.canary.url"]), ("", [])):
        settings = bench.load({"partners.wind.canary": {**TRIAL, "url": url} if url else TRIAL})
        assert [warning.key for warning in settings.warnings if "canary" in warning.key] == keys
