"""http and https: an answer with the right status, of which all that is asserted is so; asking is done in `web`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import urlsplit

from initkit.core.errors import InitkitError, SuspectError, TemporaryError, UsageError
from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.redact import redact
from initkit.core.values import Count
from initkit.steps.wait.net.urls import UrlTarget
from initkit.steps.wait.patterns import Regex
from initkit.steps.wait.target import AbsentError, Pace
from initkit.steps.wait.web.assertions import HeaderMatch, JsonMatch, piece
from initkit.steps.wait.web.values import HeaderField, HttpUrl, Method, SocketPath, Statuses, parse_statuses, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.step import Context
    from initkit.steps.wait.web.body import Body
    from initkit.steps.wait.web.visit import Answer

_FINE = parse_statuses("200-299")
_UNAUTHORIZED, _FORBIDDEN, _PROXY = 401, 403, 407
_OF_A_GATEWAY = {502, 503, 504}
_BODY_LIMIT = 1024 * 1024
_OWN_LOG = "look into that server's own log"


@declared
class Http(UrlTarget[str], Declared):
    """An HTTP server whose answer has the right status and all that is asserted of it.

    Secrets in headers need not stand in arguments: ${NAME} and ${file:PATH} in a plan, or INITKIT_WAIT_HTTP_HEADER.
    """

    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    pace: ClassVar[Pace] = Pace(max_interval=0.4)

    url: Annotated[HttpUrl | None, Arg("What to ask for.", "URL")] = None
    status: Annotated[Statuses, Opt("The right ones: 200,204,300-399.")] = _FINE
    method: Annotated[Method, Opt("How to ask.")] = "GET"
    header: Annotated[tuple[HeaderField, ...], Opt("'Name: value' to send; may be repeated.")] = ()
    body: Annotated[str | None, Opt("Body to send on every attempt.")] = None
    body_file: Annotated[str | None, Opt("File whose content is sent as the body.", "FILE")] = None
    body_matches: Annotated[
        tuple[Regex, ...], Opt("A regular expression that is found in the answer's body; may be repeated.")
    ] = ()
    json: Annotated[
        tuple[JsonMatch, ...], Opt("What a JMESPath finds in the body equals this JSON, or else text; may be repeated.")
    ] = ()
    header_matches: Annotated[
        tuple[HeaderMatch, ...], Opt("'NAME: REGEX' that is found in a header of the answer; may be repeated.")
    ] = ()
    body_limit: Annotated[Count, Opt("Bytes of the answer's body that are looked at.")] = _BODY_LIMIT
    redirects: Annotated[bool, Opt("Follow up to 10; another server is given no credentials.")] = False
    unix_socket: Annotated[SocketPath | None, Opt("Connect to this socket instead of the URL's host.")] = None
    proxy_from_environment: Annotated[
        bool, Opt("Go through the proxy that http_proxy, https_proxy, all_proxy and no_proxy name.")
    ] = False
    netrc: Annotated[bool, Opt("Take credentials from the file that NETRC names, or ~/.netrc.")] = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant together.

        Raises:
            ValueError: two bodies, a socket and a proxy, assertions on what HEAD never has, TLS for plain http.
        """
        super().__post_init__()
        if self.body is not None and self.body_file is not None:
            raise ValueError("expected --body or --body-file, got both")
        if self.unix_socket is not None and self.proxy_from_environment:
            raise ValueError("expected --unix-socket or --proxy-from-environment, got both")
        if self.method == "HEAD" and (self.body_matches or self.json):
            raise ValueError("expected another method than HEAD for assertions on the body")
        if not self.body_limit:
            raise ValueError("expected a --body-limit from 1 up, got 0")

    def _check(self, url: str) -> None:
        if not self.redirects:
            self.check_scheme(urlsplit(url).scheme, "https")

    def _parse(self, text: str) -> str:
        return parse_url(text)

    @property
    def name(self) -> str:
        """The URL without secrets, or where it will come from."""
        return redact(super().name)

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See that the environment has what it is to give.

        Raises:
            UsageError: it has no URL, no proxy that can be used, or no place for a .netrc.
        """
        from initkit.steps.wait.web.proxies import netrc_path, proxy_for  # noqa: PLC0415 - only where it is asked for
        from initkit.steps.wait.web.values import endpoint_of  # noqa: PLC0415

        url = None if self.url_file is not None else self.address(environ)
        if self.netrc and netrc_path(environ) is None:
            raise UsageError("find the .netrc", "neither NETRC nor HOME is set", "set NETRC")
        endpoint = endpoint_of(url) if url is not None and self.proxy_from_environment else None
        if url is not None and endpoint is not None:
            try:
                proxy_for(urlsplit(url).scheme, endpoint, environ)
            except ValueError as error:
                raise UsageError("find the proxy", str(error), "mend the environment") from error

    def probe(self, context: Context) -> str:
        """Ask once and look at the answer.

        Raises:
            AbsentError: nobody listens there, or the answer is another one.
            TemporaryError: no connection, or no proper answer in time.
            SuspectError: 401, 403, a certificate that cannot be trusted, or a file that cannot be used.
            PermanentError: no server can be asked for that URL, or --body-file is too large.
        """
        ends = context.clock.now() + max(0.001, context.attempt_timeout)
        from initkit.steps.wait.web.visit import Visitor  # noqa: PLC0415 - the client is loaded when a server is met

        url = self.address(context.environ)
        with Visitor(self, context, ends).visit(url) as answer:
            if answer.status not in self.status:
                raise self._wrong_status(answer)
            try:
                self._look_at(answer, context, ends)
            except TimeoutError as error:
                advice = "write one that needs less backtracking"
                raise TemporaryError(self._task, "a regular expression takes too long", advice) from error
        return f"answers {answer.status}"

    @property
    def _task(self) -> str:
        return f"use {self.name}"

    def _wrong_status(self, answer: Answer) -> InitkitError:
        cause = f"it answers {answer.status}{answer.detour}, expected {self.status}"
        if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
            return SuspectError(self._task, cause, "check the credentials, or ask a path that needs none")
        if answer.status == _PROXY:
            return SuspectError(self._task, cause, "check the proxy's credentials")
        if answer.is_proxied and answer.status in _OF_A_GATEWAY:  # the proxy's own, perhaps: nothing is certain
            return TemporaryError(self._task, cause, f"check the proxy, or {_OWN_LOG}")
        is_elsewhere = answer.status // 100 == 3  # noqa: PLR2004 - RFC 9110, section 15.4
        advice = "say --redirects to follow it, or --status 300-399 to be content" if is_elsewhere else _OWN_LOG
        return AbsentError(self._task, cause, advice)

    def _look_at(self, answer: Answer, context: Context, ends: float) -> None:
        for header in self.header_matches:
            if unmet := header.unmet(answer.headers, _share(context, ends)):
                raise AbsentError(self._task, redact(unmet), _OWN_LOG)
        if not (self.body_matches or self.json):
            return
        body = answer.body(self.body_limit)
        if self.json:
            self._look_at_json(body)
        text = body.text(answer.header("Content-Type")) if self.body_matches else ""
        for pattern in self.body_matches:
            if not pattern.is_in(text, _share(context, ends)):
                raise self._unmatched(f"does not match {pattern.text!r}", text, is_whole=body.is_whole)

    def _look_at_json(self, body: Body) -> None:
        from json import loads  # noqa: PLC0415 - only where something is said of JSON

        try:
            document = loads(body.content)
            unmet = next(filter(None, (value.unmet(document) for value in self.json)), "")
        except (ValueError, RecursionError) as error:
            text = body.text("")
            raise self._unmatched("is no JSON", text, is_whole=body.is_whole) from error
        if unmet:
            raise AbsentError(self._task, redact(unmet), _OWN_LOG)

    def _unmatched(self, what: str, text: str, *, is_whole: bool) -> InitkitError:
        """The body goes into the advice: it may differ each time, and a cause that does is printed each time."""
        if not is_whole:
            cause = f"its body, of which {self.body_limit} bytes were read, {what}"
            return TemporaryError(self._task, redact(cause), "raise --body-limit")
        said = f"it begins with {piece(redact(text))!r}" if text.strip() else "it is empty"
        return AbsentError(self._task, redact(f"its body {what}"), f"{said}; {_OWN_LOG}")


def _share(context: Context, ends: float) -> float:
    """Seconds for a search: not all that are left, so that there is time to say that it took too long."""
    return 0.8 * (ends - context.clock.now())


TARGET = Http
