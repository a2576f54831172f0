"""tcp: a port that accepts connections; what is spoken there is for other schemes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, Parser, declared
from initkit.core.values import HostPort, parse_host_port
from initkit.steps.wait.net.dial import connect
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context


def parse_address(text: str) -> HostPort:
    """Host and port from ``tcp://host:port`` or ``host:port``.

    Raises:
        ValueError: it has another form.
    """
    return parse_host_port(text.removeprefix("tcp:").removeprefix("//").rstrip("/"))


Address = Annotated[
    HostPort, Parser("HOST:PORT", parse_address, schema={"type": "string", "pattern": r":\d{1,5}/*\s*$"})
]


@declared
class Tcp(Declared):
    """A TCP port that accepts connections; every address of the name is tried."""

    schemes: ClassVar[tuple[str, ...]] = ("tcp",)
    pace: ClassVar[Pace] = Pace()

    address: Annotated[Address, Arg("Host and port, an IPv6 address in brackets.", "HOST:PORT")]

    @property
    def name(self) -> str:
        """``tcp://host:port``."""
        return f"tcp://{self.address}"

    @property
    def endpoint(self) -> HostPort:
        """To connect there is all that it takes: a wait does so itself, without a thread."""
        return self.address

    def probe(self, context: Context) -> str:
        """Connect, and close again.

        Raises:
            AbsentError: every address refuses.
            TemporaryError: the name is unknown, or no address of it accepts.
            PermanentError: it can be no name.
        """
        with connect(context, self.address):
            return "accepts connections"


TARGET = Tcp
