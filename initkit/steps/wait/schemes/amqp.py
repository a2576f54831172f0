"""amqp: a broker of AMQP 0-9-1, such as RabbitMQ, that lets us in and opens a vhost; queues are no concern of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import urlsplit

from initkit.core.options import Arg, Parser, declared
from initkit.steps.wait.net.urls import ServerUrl, UrlTarget, parse_server_url
from initkit.steps.wait.net.wire import Wire
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context

_PORTS = {"amqp": 5672, "amqps": 5671}
_LONGEST = 255  # bytes of a vhost's name: a short string (AMQP 0-9-1, section 4.2.5.3)
_GUEST = "guest"  # RabbitMQ's account for whoever gives none


def parse_url(text: str) -> ServerUrl:
    """A URL as in https://www.rabbitmq.com/docs/uri-spec; its path is the vhost, by default ``/``.

    Its password is masked in all output from then on. The query, which tunes clients, is ignored.

    Raises:
        ValueError: it is none, or its path is no vhost.
    """
    url = parse_server_url(text, _PORTS)
    path = urlsplit(text.strip()).path.removeprefix("/")
    if "/" in path:
        raise ValueError(f"expected {url.scheme}://HOST[:PORT][/VHOST], got {str(url)!r}; in a vhost write / as %2F")
    if len(url.path.encode()) > _LONGEST:
        raise ValueError(f"expected a vhost of at most {_LONGEST} bytes, got a longer one")
    return url.but(path="") if url.path == "/" else url


AmqpUrl = Annotated[ServerUrl, Parser("URL", parse_url, schema={"type": "string", "pattern": "://"})]


@declared
class Amqp(UrlTarget[ServerUrl]):
    """A broker of AMQP 0-9-1, such as RabbitMQ, that lets us in and opens the vhost."""

    schemes: ClassVar[tuple[str, ...]] = ("amqp", "amqps")
    pace: ClassVar[Pace] = Pace(interval=0.25, max_interval=1.0)

    url: Annotated[
        AmqpUrl | None, Arg("The broker, as amqp[s]://HOST[:PORT][/VHOST], with a user and password in it.", "URL")
    ] = None

    def probe(self, context: Context) -> str:
        """Log in, open the vhost, and log out.

        Raises:
            AbsentError: the port refuses.
            TemporaryError: no connection, no answer in time, none of a broker's, or it has no room just now.
            SuspectError: it refuses the login or the vhost, its certificate is not trusted, or a file cannot be used.
            UsageError: the environment has no URL.
        """
        url = self.address(context.environ)
        advice = "check that a broker of AMQP 0-9-1 listens on this port"
        with Wire.to(url.endpoint, context, task=f"log in to {url}", advice=advice) as wire:
            from initkit.steps.wait.amqp_session import Session  # noqa: PLC0415 - the driver, once a broker is met

            if url.scheme == "amqps":
                wire.secure(self, url.endpoint.host)
            user = url.user if url.user is not None else _GUEST
            password = url.password or (_GUEST if url.user is None else "")
            session = Session(wire, user, password, url.path or "/")
            session.log_in()
            session.log_out(context.clock.now())
        return "lets us in"

    def _parse(self, text: str) -> ServerUrl:
        return parse_url(text)

    def _check(self, url: ServerUrl) -> None:
        self.check_scheme(url.scheme, "amqps")


TARGET = Amqp
