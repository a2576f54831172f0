"""A session of Redis's protocol on a bounded wire, by redis-py; which commands are sent is the scheme's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis._parsers import _RESP2Parser
from redis.connection import Connection
from redis.exceptions import ResponseError

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.core.redact import redact
from initkit.steps.wait.net.lent import LentSocket

if TYPE_CHECKING:
    from initkit.steps.wait.net.wire import Wire

# https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors: the first word is the kind of error
_SUSPECT = {
    "NOAUTH": "give user and password in the URL",
    "WRONGPASS": "check user and password",
    "NOPERM": "let the user's ACL have that command",
    "DENIED": "set a password in the server, or turn its protected mode off",
}
_NOT_READY = {
    "LOADING": "it will answer once it has loaded",
    "MASTERDOWN": "check its master, and the link to it",
    "CLUSTERDOWN": "check that all slots are covered",
    "MISCONF": "look into the server's log: it cannot write to its disk",
}
_REFUSED = {
    "AUTH": "check user and password, and whether the server has any",
    "SELECT": "ask for a smaller number, or raise databases in the server",
}
# of these alone the kind says nothing; it comes unasked, whatever was sent
_FULL = "ERR max number of clients"
_LONGEST = 200  # characters of a server's words


class Refusal(Exception):  # noqa: N818 - an answer like others
    """What the server answered instead of doing what it was told.

    Attributes:
        kind: its first word: ``WRONGPASS``, ``ERR``.
        words: all of them, as they may be shown.
        command: what was refused.
    """

    def __init__(self, text: str, command: str) -> None:
        super().__init__(text)
        self.kind = text.split(" ", 1)[0]
        # a server that does not know a command quotes its arguments, which may be a password
        said = text.split(", with args", 1)[0].split(". ", 1)[0].split("\n", 1)[0]
        self.words = redact(said).strip().rstrip(".")[:_LONGEST]
        self.command = command

    def meant(self, task: str) -> InitkitError:
        """What it means: a person must probably act, or the server is not ready."""
        if self.kind in _SUSPECT:
            return SuspectError(task, self.words, _SUSPECT[self.kind])
        if self.kind in _NOT_READY:
            return TemporaryError(task, self.words, _NOT_READY[self.kind])
        if self.words.startswith(_FULL):
            return TemporaryError(task, self.words, "raise maxclients, or find who holds them")
        if self.command in _REFUSED:
            return SuspectError(task, self.words, _REFUSED[self.command])
        return TemporaryError(task, self.words, "look into the server's log")

    @property
    def is_not_ready(self) -> bool:
        """Whether it is about the server's state, and not about the command or who sent it."""
        return self.kind in _NOT_READY or self.words.startswith(_FULL)


class _Parser(_RESP2Parser):
    """Leaves errors as they came: redis-py's own classes come of the words, and drop the kind."""

    @classmethod
    def parse_error(cls, response: str) -> ResponseError:
        return ResponseError(response)


class _Connection(Connection):
    """redis-py's connection on a wire, without its greeting: no HELLO, AUTH, CLIENT SETINFO or SELECT of its own."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(  # type: ignore[no-untyped-call] # redis-py has few types
            protocol=2,
            parser_class=_Parser,
            socket_timeout=None,
            redis_connect_func=lambda connection: connection._parser.on_connect(connection),  # noqa: SLF001
        )

    def _connect(self) -> Any:  # noqa: ANN401 - what stands for a socket
        return LentSocket(self._wire)


class Session:
    """Commands and their answers, one after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._connection = _Connection(wire)

    def ask(self, command: str, *arguments: str) -> Any:  # noqa: ANN401 - bytes, int, None, or a list of these
        """The answer to a command.

        Raises:
            Refusal: it is an error.
            TemporaryError: it is none of Redis's protocol, or none came in time.
        """
        try:
            self._connection.send_command(command, *arguments)  # type: ignore[no-untyped-call] # as above
            return self._connection.read_response()
        except ResponseError as error:
            raise Refusal(str(error), command) from error
        except InitkitError:
            raise
        except Exception as error:  # the library trusts a server to keep to the protocol
            raise self._wire.nonsense("it does not speak Redis's protocol") from error
