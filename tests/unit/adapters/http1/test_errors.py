"""The one thing that every error of the client says beside its cause: may the request have been received?"""

import pytest

from talaria.adapters.http1 import errors
from talaria.adapters.http1.errors import Http1Error

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Http1Error)]
UNSENT = {"ConnectError", "ConnectTimeout", "PoolExhausted", "LocalProtocolError"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whether_the_request_was_sent(kind: type[Http1Error]) -> None:
    assert kind("cause").request_sent is (kind.__name__ not in UNSENT)
    assert str(kind("cause")) == "cause"


@pytest.mark.parametrize("sent", [False, True])
def test_a_connection_that_knows_better_says_so(sent: bool) -> None:
    assert errors.ConnectionClosed("cause", request_sent=sent).request_sent is sent
