"""Which name servers to ask, and what several of them amount to together; asking one is the business of `query`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.dns.query import Server
from initkit.steps.wait.dns.records import listed
from initkit.steps.wait.net.datagrams import Endpoint
from initkit.steps.wait.net.names import look_up
from initkit.steps.wait.target import AbsentError, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.core.step import Context
    from initkit.core.values import HostPort
    from initkit.steps.wait.dns.config import Settings, System

Records = tuple[str, ...]


def named(context: Context, server: HostPort) -> Server:
    """A server that was asked for, by name or address; every address of it will do.

    Raises:
        TemporaryError: its name is unknown.
        PermanentError: it can be no name.
    """
    names = context.names if isinstance(context, ProbeContext) else None
    addresses = names.resolve(server.host, context.attempt_timeout) if names else look_up(server.host)
    return Server(str(server), [Endpoint(address, server.port) for address in addresses])


def resolvers(settings: Settings, where: System, task: str) -> Server:
    """The servers of resolv.conf, any of which will do.

    Raises:
        SuspectError: it names none.
    """
    if not settings.servers:
        raise SuspectError(
            task, f"{where.resolv_conf} names no server", "check the pod's dnsPolicy and dnsConfig, or say --server"
        )
    endpoints = [Endpoint(address, where.port) for server in settings.servers for address in look_up(server)]
    return Server(str(endpoints[0]), endpoints)


def agreed(servers: Sequence[HostPort], look: Callable[[HostPort], Records], task: str, *, must_equal: bool) -> Records:
    """What all servers have; they are asked side by side.

    Args:
        servers: whom to ask, at least one.
        look: asks one of them.
        task: for messages.
        must_equal: whether all must have the very same records.

    Raises:
        AbsentError: every one is certain that it is not so.
        TemporaryError: one of them is not, or they differ.
        SuspectError, PermanentError: as `look` does.
    """
    answers = _side_by_side([lambda server=server: look(server) for server in servers])  # type: ignore[misc]
    errors = [answer for answer in answers if isinstance(answer, InitkitError)]
    records = [answer for answer in answers if not isinstance(answer, InitkitError)]
    if not errors and (not must_equal or len(set(records)) == 1):
        return records[0]
    serious = [error for error in errors if not isinstance(error, TemporaryError) or len(servers) == 1]
    if serious:
        raise serious[0]
    said = "; ".join(_words(server, answer) for server, answer in zip(servers, answers, strict=True))
    advice = errors[0].advice if errors else "check how the servers get their zone, or say what to --expect"
    absent = not records and all(isinstance(error, AbsentError) for error in errors)
    raise (AbsentError if absent else TemporaryError)(task, said, advice)


def _words(server: HostPort, answer: Records | InitkitError) -> str:
    words = answer.cause if isinstance(answer, InitkitError) else f"it is {listed(answer)}"
    return words if str(server) in words else f"{server}: {words}"


def _side_by_side(looks: Sequence[Callable[[], Records]]) -> list[Records | InitkitError]:
    """What each look finds, or its error; the first is made in this thread."""
    found: dict[int, Records | InitkitError] = {}
    bugs: list[BaseException] = []

    def make(place: int) -> None:
        try:
            found[place] = looks[place]()
        except InitkitError as error:
            found[place] = error
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            bugs.append(error)

    others = [threading.Thread(target=make, args=(place,), daemon=True) for place in range(1, len(looks))]
    for thread in others:
        thread.start()
    make(0)
    for thread in others:
        thread.join()
    if bugs:
        raise bugs[0]
    return [found[place] for place in range(len(looks))]
