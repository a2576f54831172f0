"""tcp: a port that accepts connections; what is spoken there is for other schemes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import PermanentError, TemporaryError
from initkit.core.options import Arg, Declared, Parser, declared
from initkit.core.values import HostPort, parse_host_port
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

    def probe(self, context: Context) -> str:
        """Connect, and close again.

        Raises:
            TemporaryError: the name is unknown, or no address of it accepts.
            PermanentError: it can be no name.
        """
        host, port = self.address
        try:
            # as bytes: for text the resolver loads the tables of international names, which plain ones never need
            name = host.encode() if host.isascii() else host
            timeout = max(0.001, context.attempt_timeout)
            with socket.create_connection((name, port), timeout):  # type: ignore[arg-type] # getaddrinfo takes bytes
                return "accepts connections"
        except socket.gaierror as error:
            cause = f"cannot resolve {host}: {(error.strerror or str(error)).lower()}"
            raise TemporaryError(f"connect to {self.address}", cause, "check the name and its namespace") from error
        except UnicodeError as error:  # from the IDNA codec, for what no name server can be asked
            cause = f"{host} can be no host's name"
            raise PermanentError(f"connect to {self.address}", cause, "mend the target") from error
        except TimeoutError as error:
            raise TemporaryError(
                f"connect to {self.address}", "no answer", "check addresses and network policies"
            ) from error
        except OSError as error:
            cause = (error.strerror or str(error)).lower()
            raise TemporaryError(f"connect to {self.address}", cause, "check that it is running") from error


TARGET = Tcp
