"""What an adapter is given shows no secret."""

import msgspec

from talaria.adapters.partner_kit import CONTRACT, AccessToken, PartnerHttp, Sensitive, options_of
from talaria.adapters.partner_kit.context import secret_names
from talaria.domain.events import HopContext
from tests.unit.adapters.partner_kit.support_kit import answer, partner


def test_it_shows_no_secret() -> None:
    text = repr(partner().context(options={"secret": "s-3"}, api_key="k-3"))
    assert "s-3" not in text
    assert "k-3" not in text


async def test_its_tokens_go_by_its_clock() -> None:
    bench = partner(answer(200))
    context = bench.context()
    fetched: list[str] = []

    async def fetch(call: HopContext) -> AccessToken:
        fetched.append("")
        return AccessToken("t", 10.0)

    tokens = context.tokens(fetch)
    for _ in range(2):
        await PartnerHttp(bench.client).get("/", call=HopContext("", 5.0), sign=tokens)
    bench.clock.move(9.0)
    await PartnerHttp(bench.client).get("/", call=HopContext("", 5.0), sign=tokens)
    assert len(fetched) == 2


class Options(msgspec.Struct):
    """Secrets that stay what they are, and one that an adapter takes as a text."""

    key: Sensitive
    text: str
    later: Sensitive | None = None


def test_a_secret_stays_one_where_the_adapter_says_so() -> None:
    assert secret_names(Options) == {"key", "later"}
    options = options_of(Options, {"key": Sensitive("a"), "text": Sensitive("b"), "later": Sensitive("c")})
    assert (options.key, options.text, options.later) == (Sensitive("a"), "b", Sensitive("c"))


def test_the_contract_has_a_number() -> None:
    assert CONTRACT == 1
