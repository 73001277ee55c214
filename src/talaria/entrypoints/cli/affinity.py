"""Whether a balancer in front keeps a person at one instance: two tokens of one person, and which instance got them.

The questions name a route that there is not: each is refused before its token is looked at, and kept with its request
id by the instance that it met. So the tokens need no key, and no dependency hears of it.
"""

import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx

from talaria.adapters.tls import client_tls
from talaria.entrypoints.cli.operators import CannotAsk, NotThere, Operators, ask
from talaria.entrypoints.cli.probes import SECONDS, Finding
from talaria.entrypoints.cli.token import claim
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import CallerSettings

_PERSONS = 8
_ADVICE = "It is to hash `iss` and the person: docs/scale.md, talaria render --mode balance."


def affinity(settings: Settings, balancer: str, instances: Sequence[Operators]) -> Finding:
    """What the balancer at this url does with persons. `instances`: the operators' listeners of those behind it."""
    caller = next((one for one in settings.callers.values() if one.api_key is None), None)
    if caller is None:
        return Finding("the balancer: no caller names persons, so it need not keep them together", True)
    met: list[set[Operators]] = []
    try:
        for _ in range(_PERSONS):
            person = f"talaria-doctor-{secrets.token_hex(6)}"
            met.append({_met(_ask(balancer, _token(caller, person)), instances) for _ in range(2)})
    except httpx.HTTPError as error:
        what = f"the balancer: {balancer} can't be asked ({str(error) or type(error).__name__})"
        return Finding(what, False, "the balancer", "Look whether it runs, and whether instances are behind it.")
    except CannotAsk as error:
        return Finding(f"the balancer: {error}", False, "us", error.hint)
    split = sum(len(one) > 1 for one in met)
    if split:
        what = f"the balancer sends {split} of {_PERSONS} persons to more than one instance"
        return Finding(what, False, "the balancer", _ADVICE)
    used = len(set().union(*met))
    if used == 1 < len(instances):
        what = f"the balancer sends {_PERSONS} persons to 1 of {len(instances)} instances"
        return Finding(what, False, "the balancer", "Look at its health checks and at its hash. " + _ADVICE)
    return Finding(f"the balancer keeps each person at one of {used} instances", True)


def _token(caller: CallerSettings, person: str) -> str:
    """Nothing signs it."""
    claims = {"iss": caller.issuer, "exp": int(time.time()) + 60, "jti": secrets.token_hex(8)}
    named = claim(caller.phone_id_claim, person)
    parts = [{"alg": "ES256", "typ": "JWT"}, claims | named, {"signature": "none"}]
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def _ask(balancer: str, token: str) -> str:
    """The id of a request that went through the balancer."""
    request_id = f"talaria-doctor-{secrets.token_hex(8)}"
    headers = {"authorization": f"Bearer {token}", "x-api-tag": "talaria-doctor", "x-request-id": request_id}
    httpx.get(balancer, headers=headers, timeout=SECONDS, trust_env=False, verify=client_tls())
    return request_id


def _met(request_id: str, instances: Sequence[Operators]) -> Operators:
    """The instance that kept this request. Raises CannotAsk."""
    for instance in instances:
        with suppress(NotThere):
            ask(instance, f"/5xx/{request_id}", dict[str, Any])
            return instance
    told = ", ".join(map(str, instances))
    raise CannotAsk(f"a request through it met none of {told}", "Name the operators' listener of each: --ops URL ...")
