"""The last of the integration tests: nothing that a gateway printed in any of them says a name."""

from tests import support_printed


def test_no_gateway_printed_a_name_a_token_or_a_key() -> None:
    assert support_printed.found == []
