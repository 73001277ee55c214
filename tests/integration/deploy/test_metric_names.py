"""Every metric and label that the alert rules and the dashboard name is one that the gateway exports."""

import re
from pathlib import Path

import httpx

from deploy.grafana.dashboard import ROWS
from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox, running_sandbox

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "talaria.rules.yml"
NAME = re.compile(r"\btalaria_[a-z0-9_]+")
SELECTOR = re.compile(r"\b(talaria_[a-z0-9_]+)\{([^}]*)\}")
LABEL = re.compile(r"(\w+)(?:=~|!=|!~|=)")


def queries() -> dict[str, str]:
    """Every query of the two, with where it stands."""
    shown = {f"panel {panel.title}": query.expr for row in ROWS for panel in row.panels for query in panel.queries}
    return {**shown, "rules": "\n".join(line for line in RULES.read_text().splitlines() if "#" not in line)}


async def exported(sandbox: Sandbox) -> dict[str, set[str]]:
    """The labels of each metric, after a request of each kind; a histogram by the names of its series too."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for person in (fixtures.ANNA, fixtures.ANNA, fixtures.GHOST):
            await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers(person))
        sandbox.personal.faults = Faults(next_failures=1)  # mended by a retry
        await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers(fixtures.BORIS))
        sandbox.wind.faults = Faults(error_rate=1.0)
        await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers(fixtures.CHLOE))
        text = (await client.get(f"{sandbox.ops_url}/metrics")).text
    labels: dict[str, set[str]] = {name: set() for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)}
    for name, pairs in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', pairs))
    return labels


async def test_each_name_and_label_is_exported() -> None:
    async with running_sandbox() as sandbox:
        labels = await exported(sandbox)
    wrong = []
    for place, text in queries().items():
        wrong += [f"{place}: {name}" for name in NAME.findall(text) if name not in labels]
        for name, selectors in SELECTOR.findall(text):
            unknown = set(LABEL.findall(selectors)) - labels.get(name, set())
            wrong += [f"{place}: {name} has no label {label}" for label in sorted(unknown)]
    assert wrong == []
