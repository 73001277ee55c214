"""`talaria render` of a configuration that a test changes; without any secret of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from talaria.entrypoints.cli.render.command import command
from talaria.sandbox.toml_writer import dumps, merged

TREE: dict[str, Any] = {
    "server": {"decision_listen": "10.0.0.5:8081", "trusted_edges": ["10.0.0.0/8"], "ops_listen": "0.0.0.0:9090"},
    "callers": {
        "app": {"issuer": "https://id.app.example", "jwks_url": "https://id.app.example/jwks"},
        "web": {"issuer": "https://id.web.example", "jwks_file": "web.json", "phone_id_claim": "person.phone_id"},
        "jobs": {"api_key": {"env": "JOBS_API_KEY"}},
    },
    "signing": {"keys": [{"kid": "2026-11", "file": "2026-11.pem"}]},
    "personal": {"url": "http://personal.internal", "token": {"env": "PERSONAL_TOKEN"}, "timeout": "1s"},
    "partners": {
        "wind": {"url": "https://api.wind.example", "api_key": {"env": "WIND_API_KEY"}, "timeout": "2s"},
        "bolt": {"url": "https://b.example", "api_key": {"env": "B"}, "adapter": "wind", "user_id_header": "x-rider"},
    },
    "upstreams": {
        "talaria-services": {"urls": ["http://10.1.0.1:8000", "http://10.1.0.2:8000"]},
        "other": {"urls": ["https://other.internal"], "tls": {"ca_file": "/etc/ca.pem"}},
    },
    "routes": {
        "wind": {"partner": "wind", "upstream": "talaria-services"},
        "bolt": {"partner": "bolt", "upstream": "other", "timeout": "20s", "idle_timeout": "90s"},
    },
    "decision": {"max_age": "5s"},
}
GATEWAYS = ("http://10.0.0.5:8080", "http://10.0.0.6:8080")


def rendered(
    folder: Path,
    engine: str,
    mode: str,
    *options: str,
    changes: Mapping[str, Any] | None = None,
    gateways: tuple[str, ...] = GATEWAYS,
    listen: str = "0.0.0.0:80",
) -> Result:
    """What the command prints, and how it ends."""
    config = folder / "talaria.toml"
    config.write_text(dumps(merged(json.loads(json.dumps(TREE)), changes or {})))
    asked = [argument for url in gateways for argument in ("--talaria", url)]
    arguments = [engine, "--config", str(config), "--mode", mode, "--listen", listen, *asked, *options]
    return CliRunner().invoke(command, arguments)


def text_of(result: Result) -> str:
    """The whole configuration; of a command that went well."""
    assert result.exit_code == 0, result.output
    return result.output
