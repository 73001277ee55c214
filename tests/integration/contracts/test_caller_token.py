"""caller-token.md: the gateway takes the token that the page shows, and refuses what its tables rule out."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from click.testing import CliRunner

from talaria.entrypoints.cli.main import cli
from talaria.sandbox.stack import Sandbox
from tests.integration.contracts.support_documents import block
from tests.integration.contracts.support_token_cases import HOUR, REFUSED, TAKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")


def example() -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims that the page shows."""
    text = block("caller-token.md", "json")
    header, end = json.JSONDecoder().raw_decode(text)
    return header, json.loads(text[end:])


async def verdict(sandbox: Sandbox, claims: dict[str, Any], header: dict[str, Any]) -> tuple[int, str]:
    """Status and reason of a request with the page's token, issued now; None in `claims` and `header` takes away.

    A number among the times is so many seconds from now.
    """
    shown_header, shown = example()
    now = int(time.time())
    times = {name: now + seconds for name, seconds in claims.items() if isinstance(seconds, int)}
    issued = {"iat": now, "exp": now + shown["exp"] - shown["iat"]}
    wanted = {name: value for name, value in {**shown, **issued, **claims, **times}.items() if value is not None}
    fields = {**shown_header, "kid": sandbox.issuer.kid, **header}
    token = jwt.encode(wanted, sandbox.issuer.key, fields["alg"], {k: v for k, v in fields.items() if v is not None})
    headers = {"x-api-tag": "wind", "authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{sandbox.public_url}/echo", headers=headers)
    return answer.status_code, answer.json().get("reason", "")


@pytest.mark.parametrize(("claims", "header"), TAKEN)
async def test_what_the_page_allows_is_taken(sandbox: Sandbox, claims: dict[str, Any], header: dict[str, Any]) -> None:
    assert await verdict(sandbox, claims, header) == (200, "")


@pytest.mark.parametrize(("row", "claims", "header"), REFUSED)
async def test_what_a_row_of_the_page_rules_out_is_refused(
    sandbox: Sandbox, row: str, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    assert await verdict(sandbox, claims, header) == (401, "invalid-token")


async def test_the_token_that_the_page_makes_is_signed_by_the_key_that_the_command_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["keys", "new", "--caller", "app"]).exit_code == 0
    names: dict[str, Any] = {}
    exec(block("caller-token.md", "python"), names)  # noqa: S102 - the page's own text
    kid = jwt.get_unverified_header(names["token"])["kid"]
    key = jwt.PyJWKSet.from_json((tmp_path / "keys/callers/app.jwks.json").read_text())[kid]
    claims = jwt.decode(names["token"], key, ["ES256"], audience="talaria-proxy", issuer=example()[1]["iss"])
    assert set(claims) == set(example()[1])


async def test_an_expired_token(sandbox: Sandbox) -> None:
    assert await verdict(sandbox, {"exp": -60, "iat": -HOUR}, {}) == (401, "expired-token")
