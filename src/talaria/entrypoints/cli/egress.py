"""From which address our calls to the partners come, as a server outside sees it: partners keep lists of them."""

import http.client
import re
from urllib.parse import SplitResult, urlsplit

from talaria.entrypoints.cli.probes import SECONDS, Finding, address_of
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import PartnerSettings
from talaria.entrypoints.config.types import ip_of

_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{3,45}")
_ANSWER_LIMIT = 4096


def egress(settings: Settings, echo: str) -> list[Finding]:
    """The address of each partner's calls. `echo`: a url that answers with the address of what asks it."""
    return [_seen(partner, urlsplit(echo)) for partner in settings.partners.values()]


def _seen(partner: PartnerSettings, echo: SplitResult) -> Finding:
    owner = f"the partner {partner.id}"
    try:
        answer = _ask(partner, echo)
    except (OSError, http.client.HTTPException) as error:
        what = f"{owner}: {echo.netloc} can't be asked where our calls come from ({str(error) or type(error).__name__})"
        mender = "the egress proxy" if partner.egress_proxy else "us"
        return Finding(what, False, mender, "Ask for a permission for this host there, or name another --echo.")
    found = [text for text in _ADDRESS.findall(answer) if ip_of(text) is not None]
    if not found:
        return Finding(f"{owner}: {echo.netloc} names no address", False, "us", "Name another --echo.")
    return Finding(f"{owner}: our calls come from {found[0]}: is it on its list?", True)


def _ask(partner: PartnerSettings, echo: SplitResult) -> str:
    first = urlsplit(partner.egress_proxy) if partner.egress_proxy else echo
    kind = http.client.HTTPSConnection if echo.scheme == "https" else http.client.HTTPConnection
    source = (partner.source_address, 0) if partner.source_address else None
    connection = kind(first.hostname or "", first.port, timeout=SECONDS, source_address=source)
    if partner.egress_proxy:
        connection.set_tunnel(echo.hostname or "", address_of(echo).port)
    try:
        connection.request("GET", (echo.path or "/") + (f"?{echo.query}" if echo.query else ""))
        return connection.getresponse().read(_ANSWER_LIMIT).decode("latin-1")
    finally:
        connection.close()
