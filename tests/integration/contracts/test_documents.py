"""The pages of docs/contracts by themselves."""

import jsonschema_rs
import pytest

from tests.integration.contracts.support_documents import CONTRACTS, first_cells, openapi
from tests.integration.contracts.support_token_cases import REFUSED


@pytest.mark.parametrize("document", ["personal.openapi.yaml", "wind.openapi.yaml"])
def test_an_example_keeps_to_its_schema(document: str) -> None:
    raw = openapi(document).raw_schema
    schemas = raw["components"]["schemas"]
    methods = [methods["post"] for methods in raw["paths"].values()]
    bodies = [body for method in methods for body in (method["requestBody"], *method["responses"].values())]
    shown = [content["application/json"] for body in bodies if (content := body.get("content"))]
    examples = [(part["schema"]["$ref"].rpartition("/")[2], part["example"]) for part in shown if "example" in part]
    assert len(examples) == 2 * len(methods)
    for name, example in examples:
        jsonschema_rs.validate(schemas[name], example)


def test_each_claim_of_the_page_is_tried() -> None:
    named = {name for cell in first_cells("caller-token.md", "claim") for name in cell}
    assert named == {row for row, claims, _ in REFUSED if claims}


def test_the_index_names_each_page() -> None:
    index = (CONTRACTS / "README.md").read_text()
    assert [
        page.name for page in CONTRACTS.iterdir() if page.name != "README.md" and f"({page.name})" not in index
    ] == []
