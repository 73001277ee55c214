"""The alert rules and the scrape configuration, as promtool reads them."""

from pathlib import Path

import pytest

from tests.real.deploy.support_deploy import DEPLOY
from tests.real.support_programs import program
from tests.real.support_running import output_of

FOLDER = DEPLOY / "prometheus"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint=all", "--lint-fatal", "talaria.rules.yml"),
        ("test", "rules", "talaria.rules.test.yml"),
        ("check", "config", "prometheus.yml"),
    ],
    ids=["rules", "tests of rules", "scrape configuration"],
)
async def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    assert "SUCCESS" in await output_of(program("promtool"), *arguments, folder=FOLDER)


async def test_each_alert_has_a_test() -> None:
    rules = (FOLDER / "talaria.rules.yml").read_text()
    tests = (FOLDER / "talaria.rules.test.yml").read_text()
    alerts = [line.split(": ")[1] for line in rules.splitlines() if "- alert: " in line]
    assert [alert for alert in alerts if f"alertname: {alert}" not in tests] == []


async def test_a_rule_that_is_wrong_is_found(tmp_path: Path) -> None:
    for name in ("talaria.rules.yml", "talaria.rules.test.yml"):
        text = (FOLDER / name).read_text().replace(" or 0 * sum by (tag) (rate(talaria_requests_total[5m]))", "")
        (tmp_path / name).write_text(text)
    with pytest.raises(AssertionError, match=r"exp: .* 0E\+00"):
        await output_of(program("promtool"), "test", "rules", "talaria.rules.test.yml", folder=tmp_path)
