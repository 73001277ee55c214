"""`talaria partner test`: an adapter against its partner's real API, slowly, with persons that are made for tests."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import rich_click as click
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from talaria.domain.model import HOPS, PHONE_HOPS, Identity, PartnerUserId, PhoneNumber, Sensitive
from talaria.domain.rate_limits import RateLimit
from talaria.entrypoints.cli.operators import URL
from talaria.entrypoints.cli.shared import refuse_configuration, say, written_as
from talaria.entrypoints.config import ConfigurationError
from talaria.entrypoints.config.adapters import read_partner
from talaria.entrypoints.config.decoding import Decoder
from talaria.entrypoints.config.lines import line_of, lines_of
from talaria.entrypoints.config.loading import read_toml
from talaria.entrypoints.config.problems import Diagnostics, InvalidValue, Refuse
from talaria.entrypoints.config.settings import NOT_EMPTY, PartnerSettings
from talaria.entrypoints.config.sources import LoadContext
from talaria.entrypoints.config.types import RATE, about, choice
from talaria.entrypoints.runtime.upstream_factories import dependency_transport
from talaria.testing.simulator import accounts_of
from talaria.testing.staging import EXPECTED, Finding, Pace, PacedTransport, StagingSuite, TestPerson


def _personal(kind: type[Sensitive], name: str, hint: str) -> Meta:
    """A value that is never shown, the wrong one either."""

    def parse(value: object, _: LoadContext) -> Sensitive:
        found = kind.parse(value) if isinstance(value, str) else None
        if found is None:
            raise InvalidValue(f"this is no {name}")
        return found

    return Meta(extra={"parse": parse, "hint": hint})


class PersonSettings(Struct, frozen=True, kw_only=True):
    """[[persons]]: a person of the staging system, by number or by address, and what the partner says of it."""

    identity: Annotated[Any, _personal(Sensitive, "text", "write what the adapter asks with"), about("a person")]
    expect: Annotated[str, choice(EXPECTED), about("what the partner says")] = "user"
    user_id: Annotated[Any, _personal(PartnerUserId, "user id", "write up to 128 visible ASCII characters")] = None


class StagingFile(Struct, frozen=True, kw_only=True):
    """The file of test persons: `partner` is a table as the gateway's configuration has it, without its `url`."""

    partner: PartnerSettings
    persons: Annotated[tuple[PersonSettings, ...], NOT_EMPTY, about("one table [[persons]] each")] = field(
        default_factory=tuple
    )


@click.command("test")
@click.argument("name")
@click.option("--url", required=True, metavar="URL", type=URL, help="The partner's staging API.")
@click.option(
    "--persons",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, readable=False),
    help="TOML: [partner], with options and secrets as in the configuration, and [[persons]] that are made for tests.",
)
@click.option(
    "--rate",
    default="2/s",
    show_default=True,
    metavar="RATE",
    type=written_as(Annotated[RateLimit | None, RATE]),
    help='Calls, such as "2/s" or "30/m".',
)
def command(name: str, url: str, path: Path, rate: RateLimit | None) -> None:
    """Run the adapter NAME against its partner's staging API, and say what differs from the contract.

    Exit code 1: something differs. Nothing that is printed names a person: persons are numbers in the file's order.
    """
    if rate is None:
        raise click.UsageError("--rate: without a limit a staging system is not asked.")
    try:
        partner, persons = read(path, name, url)
    except ConfigurationError as error:
        refuse_configuration(path, error.problems)
    sys.exit(asyncio.run(_run(partner, persons, rate.per_second)))


def read(path: Path, name: str, url: str) -> tuple[PartnerSettings, list[TestPerson]]:
    """What the file says for the adapter `name` at `url`. Raises ConfigurationError."""
    text, tree = read_toml(path, "name another file with --persons")
    diagnostics = Diagnostics()
    if isinstance(tree.setdefault("partner", {}), dict):
        tree["partner"] |= {"adapter": name, "url": url}
    file = Decoder(LoadContext(path.parent.absolute(), os.environ), diagnostics).table(tree, StagingFile)
    partner = read_partner("partner", replace(file.partner, id=name), diagnostics.refuse)
    hops = tuple(getattr(partner.found and partner.found.kind, "hops", PHONE_HOPS))
    kind = HOPS.get(hops, PhoneNumber)  # others are a problem by now
    persons = [_person(f"persons[{at}]", one, kind, diagnostics.refuse) for at, one in enumerate(file.persons)]
    if diagnostics.problems:
        lines = lines_of(text)
        raise ConfigurationError([replace(one, line=line_of(one.key, lines)) for one in diagnostics.problems])
    return partner, persons


def _person(at: str, person: PersonSettings, kind: type[Identity], refuse: Refuse) -> TestPerson:
    identity = kind.parse(person.identity.reveal()) if person.identity is not None else None
    if identity is None:
        refuse(f"{at}.identity", f"the adapter asks with a {kind('')}, and this is none", "write one")
    if person.user_id is not None and person.expect != "user":
        refuse(f"{at}.user_id", f'with expect = "{person.expect}" there is none', "leave one of the two out")
    return TestPerson(identity or kind(""), person.expect, person.user_id)


async def _run(partner: PartnerSettings, persons: Sequence[TestPerson], per_second: float) -> int:
    if partner.found is None:
        raise AssertionError("a partner that was read has its adapter")
    pace = Pace(per_second)
    timeout = partner.timeout + pace.wait_at_most
    title = f"{partner.id} ({partner.found.distribution} {partner.found.version}) at {partner.url}"
    say(f"{title}: {len(persons)} persons, {per_second:g} calls a second at most.")
    async with accounts_of(
        *(partner.found.kind, partner.url),
        id=partner.id,
        options=partner.options,
        secrets={name: secret.reveal() for name, secret in partner.secrets.items()},
        api_key=partner.api_key.reveal() if partner.api_key else "",
        timeout=timeout,
        attempts=partner.attempts,
        transport=lambda: PacedTransport(dependency_transport(partner, partner.source_address), pace),
    ) as accounts:
        found = [_printed(finding) async for finding in StagingSuite(accounts, persons, timeout).run()]
    differ = sum(bool(finding.differs) for finding in found)
    late = f", more than the timeout of {partner.timeout:g} s" if pace.slowest > partner.timeout else ""
    say(f"{pace.calls} calls, the slowest took {pace.slowest:.2f} s{late}.")
    say(f"{differ} of {len(found)} differ from the contract." if differ else "All is as the contract says.")
    return 1 if differ or late else 0


def _printed(finding: Finding) -> Finding:
    say(f"{'DIFFERS' if finding.differs else 'ok     '}  {finding.case}")
    if finding.differs:
        say(f"         it is: {finding.differs}")
    return finding
