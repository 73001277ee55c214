"""Each program accepts what `talaria render` prints for it, whatever talaria.toml says."""

from pathlib import Path
from typing import Any

import pytest

from talaria.sandbox.certificates import write_certificate
from tests.real.support_edges import BALANCERS, EDGES, check_command, engine_of, written
from tests.real.support_running import free_port, output_of
from tests.unit.entrypoints.cli.render.support_render import rendered, text_of

FILES = [
    *[(name, "edge", ()) for name in EDGES],
    *[(name, "edge", ("--fast",)) for name in EDGES if engine_of(name) == "nginx"],
    *[(name, "balance", ()) for name in BALANCERS],
]
ODD = 'https://it\'s "an" issuer/$1 ${x} #;{}\\ é'
OTHER: dict[str, Any] = {"urls": ["https://localhost:8443"], "tls": {"ca_file": "other.pem"}}
OF_OUR_OWN = OTHER["tls"] | {"cert_file": "other.pem", "key_file": "other.pem.key"}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "one upstream": {
        "upstreams": {"other": {"urls": ["https://localhost", "https://127.0.0.1:9443"], "tls": OF_OUR_OWN}},
        "routes": {"wind": {"upstream": "other"}},
    },
    "behind proxies": {"server": {"trusted_proxies": ["10.0.0.0/8", "fd00::/8"]}},
    "IPv6": {"server": {"decision_listen": "[::1]:8081", "ops_listen": "[::]:9090"}},
    "limits": {
        "server": {"header_limit": "64KiB", "body_limit": "1MiB", "header_timeout": "1500ms"},
        "routes": {"wind": {"timeout": "1ms", "idle_timeout": "1h"}},
        "decision": {"max_age": "5m"},
    },
    "odd names": {
        "callers": {"app": {"issuer": ODD, "phone_id_claim": "a-b_c.d"}},
        "partners": {"bolt": {"user_id_header": "x-a1-b-2"}},
    },
    "an odd claim": {"callers": {"app": {"phone_id_claim": 'https://a.example/it\'s a "claim" $x'}}},
}
GATEWAYS = {"IPv6": ("http://[::1]:8080", "http://[::1]:8090"), "usual": ("http://localhost:8080",)}


CASES = [
    (*file, configuration)
    for file in FILES
    for configuration in CONFIGURATIONS
    if (*file[:2], configuration) != ("haproxy", "balance", "an odd claim")  # which the command refuses
]


@pytest.mark.parametrize(("name", "mode", "options", "configuration"), CASES)
async def test_a_program_accepts_its_file(
    name: str, mode: str, options: tuple[str, ...], configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, key = write_certificate(tmp_path, "other", "localhost")
    key.rename(tmp_path / "other.pem.key")
    changes = {"upstreams": {"other": OTHER}} | CONFIGURATIONS[configuration]
    gateways = GATEWAYS.get(configuration, ("https://127.0.0.1:8080", "https://127.0.0.2:8080"))
    host = "[::1]" if configuration == "IPv6" else "127.0.0.1"
    more: dict[str, Any] = {"changes": changes, "gateways": gateways, "listen": f"{host}:{free_port()}"}
    file = written(name, text_of(rendered(tmp_path, engine_of(name), mode, *options, **more)), tmp_path)
    await output_of(*check_command(name, file), folder=tmp_path)
