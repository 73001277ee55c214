"""What an adapter is given when it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import fields

from talaria.adapters.partner_kit.http import PartnerHttp
from talaria.adapters.partner_kit.tokens import Fetch, TokenCache
from talaria.domain.model import Sensitive
from talaria.domain.ports import Clock

CONTRACT = 1
"""The version of this contract: an adapter that says another one is not started."""

T = TypeVar("T")


def options_of(shape: type[T], values: Mapping[str, object]) -> T:
    """The `Options` of an adapter from the configuration's options and secrets; these are `Sensitive` already.

    A field of another type than `Sensitive` gets a secret's content. Raises msgspec.ValidationError.
    """
    kept = secret_names(shape)
    bare = {
        name: value.reveal() if isinstance(value, Sensitive) and name not in kept else value
        for name, value in values.items()
    }
    return msgspec.convert(bare, shape, dec_hook=lambda _, secret: secret)


def secret_names(shape: Any) -> frozenset[str]:
    """The keys of `Options` that are `Sensitive`."""
    return frozenset(field.encode_name for field in fields(shape) if _is_sensitive(field.type))


def _is_sensitive(hint: Any) -> bool:
    return any(isinstance(one, type) and issubclass(one, Sensitive) for one in (hint, *get_args(hint)))


@dataclass(frozen=True, slots=True)
class PartnerContext:
    """One partner of the configuration.

    `options` is the adapter's own `Options`, None where it has none. `http` asks at the partner's url, `client(url)`
    elsewhere, with the same limits and a breaker of its own. `clock` is monotonic.
    """

    id: str
    options: Any = field(repr=False)
    api_key: Sensitive | None
    http: PartnerHttp
    client: Callable[[str], PartnerHttp]
    clock: Clock

    def tokens(self, fetch: Fetch) -> TokenCache:
        """A token that is fetched so, kept until 90 % of its life, and fetched once more after a 401."""
        return TokenCache(fetch, self.clock.now)
