"""curl as a client."""

from pathlib import Path

from tests.real.support_gateway_process import GatewayProcess
from tests.real.support_programs import program
from tests.real.support_running import output_of


def arguments(gateway: GatewayProcess, **headers: str) -> list[str]:
    """curl, silent, with what a request must have."""
    lines = [argument for line in gateway.header_lines(**headers) for argument in ("--header", line)]
    return [program("curl"), "--silent", "--show-error", "--noproxy", "*", *lines]


async def test_three_requests_on_one_connection(gateway: GatewayProcess, tmp_path: Path) -> None:
    target = f"{gateway.url}/echo"
    said = await output_of(
        *arguments(gateway),
        *("--write-out", "%{http_code} %{num_connects}\n"),
        "--remote-name-all",
        target,
        target,
        target,
        folder=tmp_path,
    )
    assert said.splitlines() == ["200 1", "200 0", "200 0"]
