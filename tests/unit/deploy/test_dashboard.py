"""The dashboard: its file is what the code says, and its model is one that Grafana can place."""

import json
from itertools import combinations
from typing import Any

from deploy.grafana.dashboard import FILE, dashboard, text


def panels() -> list[dict[str, Any]]:
    model: dict[str, Any] = json.loads(text())
    return list(model["panels"])


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text() == text(), "run python -m deploy.grafana.dashboard"


def test_no_panel_lies_over_another_or_beyond_the_grid() -> None:
    boxes = [panel["gridPos"] for panel in panels()]
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in combinations(boxes, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        values = [panel[key] for panel in panels()]
        assert len(set(values)) == len(values)


def test_the_data_source_is_the_one_that_the_user_chooses() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    targets = [target for panel in shown for target in panel["targets"]]
    assert {part["datasource"]["uid"] for part in [*shown, *targets]} == {"${datasource}"}


def test_a_panel_shows_at_least_one_series() -> None:
    assert all(panel["targets"] for panel in panels() if panel["type"] != "row")
    assert len(dashboard()["uid"]) <= 40
