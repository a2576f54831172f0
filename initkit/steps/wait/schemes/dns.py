"""dns: a name that has records; how servers are asked is the business of `dns.query`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import SuspectError
from initkit.core.options import Arg, ChoiceParser, Declared, Opt, Parser, declared
from initkit.core.values import HostPort, parse_host_port
from initkit.steps.wait.dns.config import SYSTEM, Settings, System, candidates, read_settings
from initkit.steps.wait.dns.query import Asking
from initkit.steps.wait.dns.records import TYPES, RecordType, as_address, canonical, listed, parse_name, reverse_name
from initkit.steps.wait.dns.servers import agreed, named, resolvers
from initkit.steps.wait.target import AbsentError, Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.core.step import Context

_WORDS = ChoiceParser(TYPES)


def parse_target(text: str) -> str:
    """A name or an address from ``dns:NAME``, ``dns://NAME`` or ``NAME``.

    Raises:
        ValueError: it can be no name.
    """
    return parse_name(text.removeprefix("dns:").removeprefix("//").rstrip("/"))


def parse_server(text: str) -> HostPort:
    """A name server from ``HOST``, ``HOST:PORT``, ``[::1]:53`` or ``::1``; port 53 where none is written.

    Raises:
        ValueError: it has another form.
    """
    address = as_address(text.removeprefix("[").removesuffix("]"))
    if address:
        return HostPort(address, SYSTEM.port)
    return parse_host_port(text if ":" in text else f"{text}:{SYSTEM.port}")


Name = Annotated[str, Parser("NAME", parse_target, schema={"type": "string"})]
NameServer = Annotated[HostPort, Parser("HOST[:PORT]", parse_server, schema={"type": "string"})]
Kind = Annotated[
    RecordType,
    Parser(
        "|".join(TYPES),
        lambda text: _WORDS.parse(text.upper()),
        schema={"enum": [*TYPES, *map(str.lower, TYPES)]},
    ),
]


@declared
class Dns(Declared):
    """A name that has records, asked of name servers as a pod does: resolv.conf's, with its search domains and ndots.

    /etc/hosts is not asked, and nothing is remembered from one look to the next. An address instead of a name asks
    which name it has (PTR).
    """

    schemes: ClassVar[tuple[str, ...]] = ("dns",)
    pace: ClassVar[Pace] = Pace(max_interval=0.5)

    domain: Annotated[Name, Arg("The name; one that ends in a dot is not searched.", "NAME")]
    type: Annotated[
        Kind | None,
        Opt("Type of record; by default the expected addresses say, or A, or else AAAA; for an address PTR."),
    ] = None
    expect: Annotated[
        tuple[str, ...],
        Opt(
            "A record that must be there; SRV as 'PRIORITY WEIGHT PORT TARGET', MX as 'PREFERENCE NAME'.",
            "VALUE",
        ),
    ] = ()
    only: Annotated[bool, Opt("No other records may be there than those of --expect.")] = False
    server: Annotated[
        tuple[NameServer, ...],
        Opt("Name server to ask instead of resolv.conf's; of several all must have the same, or what is expected."),
    ] = ()
    search: Annotated[bool, Opt("Try resolv.conf's search domains, which is the default, or the name alone.")] = True

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: an expected value is no record of that type, or the type asks no addresses.
        """
        if self.only and not self.expect:
            raise ValueError("expected --expect with --only, got --only alone")
        if self._is_address and self.type not in {None, "PTR"}:
            raise ValueError(f"expected a name with --type {self.type}, got the address {self.domain}")
        for value in self.expect:
            canonical(self._type, value)

    @property
    def name(self) -> str:
        """``dns:NAME``, and the type that was asked for."""
        return f"dns:{self.domain} {self.type}" if self.type else f"dns:{self.domain}"

    @property
    def _is_address(self) -> bool:
        return bool(as_address(self.domain))

    @property
    def _type(self) -> RecordType | None:
        return "PTR" if self._is_address else self.type

    @property
    def _task(self) -> str:
        return f"resolve {self.domain}"

    def probe(self, context: Context, system: System = SYSTEM) -> str:
        """Ask the servers, all those of ``--server`` side by side.

        Raises:
            AbsentError: all servers say that the name or the record is not there, or that it is another one.
            TemporaryError: a server fails or is silent, or they differ.
            SuspectError: resolv.conf is missing, or names no server.
            PermanentError: the name of a server can be none.
        """
        ends = context.clock.now() + max(0.001, context.attempt_timeout)
        settings = self._settings(system.resolv_conf)
        names = candidates(self._absolute(), settings)
        kinds, any_kind = self._kinds()

        def look(server: HostPort | None) -> tuple[str, ...]:
            asked = named(context, server) if server else resolvers(settings, system, self._task)
            records = Asking(context, asked, ends, self._task).find(names, kinds, any_kind=any_kind)
            self._compare(records)
            return records

        if not self.server:
            return f"is {listed(look(None))}"
        records = agreed(self.server, look, self._task, must_equal=not self.expect)
        return f"is {listed(records)}"

    def _settings(self, resolv_conf: str) -> Settings:
        """What resolv.conf says, anew; with --server there need not be any."""
        try:
            return read_settings(resolv_conf)
        except SuspectError:
            if not self.server:
                raise
            return Settings()

    def _absolute(self) -> str:
        if self._is_address:
            return reverse_name(self.domain)
        return f"{self.domain.removesuffix('.')}." if not self.search else self.domain

    def _kinds(self) -> tuple[Sequence[str], bool]:
        """Which types to ask for, and whether the first one that has records will do."""
        if self._type:
            return (self._type,), False
        if not self.expect:
            return ("A", "AAAA"), True
        return sorted({"AAAA" if ":" in value else "A" for value in self.expect}), False

    def _compare(self, records: tuple[str, ...]) -> None:
        expected = {canonical(self._type, value) for value in self.expect}
        if expected <= set(records) and (not self.only or len(expected) == len(records)):
            return
        only = "only " if self.only else ""
        cause = f"it is {listed(records)}, expected {only}{listed(tuple(sorted(expected)))}"
        raise AbsentError(self._task, cause, "check who is to change the records, and how long they live")


TARGET = Dns
