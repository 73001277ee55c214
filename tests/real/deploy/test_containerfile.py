"""The Containerfile, as hadolint reads it. That it builds and runs: test_image.py."""

from tests.real.deploy.support_deploy import DEPLOY
from tests.real.support_programs import program
from tests.real.support_running import output_of


async def test_hadolint_has_nothing_to_say() -> None:
    assert await output_of(program("hadolint"), "Containerfile", folder=DEPLOY) == ""
