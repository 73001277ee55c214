"""The manifests: rendered by kustomize, held against the schemas of Kubernetes, their configuration checked."""

import re
from pathlib import Path

import pytest

from talaria import __version__
from tests.real.deploy.support_deploy import DEPLOY
from tests.real.support_programs import VENV, program
from tests.real.support_running import output_of

FOLDER = DEPLOY / "kubernetes"
OLDEST, NEWEST = "1.30.0", "1.37.0"
"""The sleep of preStop came with 1.30."""


async def rendered(folder: Path) -> str:
    return await output_of(program("kubectl"), "kustomize", FOLDER, folder=folder)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
async def test_the_schemas_of_kubernetes_take_every_field(tmp_path: Path, version: str) -> None:
    manifests = await rendered(tmp_path)
    (tmp_path / "all.yaml").write_text(manifests)
    said = await output_of(program("kubernetes-validate"), "--strict", "-k", version, "all.yaml", folder=tmp_path)
    assert said.count(" passed ") == manifests.count("\nkind: ")


async def test_a_field_that_is_misspelt_is_found(tmp_path: Path) -> None:
    manifests = await rendered(tmp_path)
    (tmp_path / "all.yaml").write_text(manifests.replace("readOnlyRootFilesystem", "readonlyRootFilesystem"))
    with pytest.raises(AssertionError, match="readonlyRootFilesystem"):
        await output_of(program("kubernetes-validate"), "--strict", "all.yaml", folder=tmp_path)


async def test_the_configuration_is_one_that_the_gateway_takes(tmp_path: Path) -> None:
    config = tmp_path / "talaria.toml"
    config.write_text((FOLDER / "talaria.toml").read_text())
    (tmp_path / "secrets").mkdir()
    for path in re.findall(r'file = "(.*?)"', config.read_text()):
        if path.endswith(".pem"):
            await output_of(VENV / "talaria", "keys", "new", "--out", path, folder=tmp_path)
        else:
            (tmp_path / path).write_text("a-secret-of-this-test")
            (tmp_path / path).chmod(0o600)
    assert "is good" in await output_of(VENV / "talaria", "check", "--config", config, folder=tmp_path)


def test_the_image_has_the_version_of_the_project() -> None:
    assert f"newTag: {__version__}\n" in (FOLDER / "kustomization.yaml").read_text()


def test_a_pod_is_given_the_time_of_the_whole_drain() -> None:
    text = (FOLDER / "deployment.yaml").read_text()
    (grace,), (pause,) = re.findall(r"GracePeriodSeconds: (\d+)", text), re.findall(r"sleep: { seconds: (\d+)", text)
    assert int(grace) > int(pause) + 25  # server.drain_timeout
