"""As whom git reaches a remote over HTTP: by its environment, so that neither argv nor any file has a secret."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.record import Record
from initkit.core.redact import learn
from initkit.steps.git.access.origin import origin_of, same_origin
from initkit.steps.git.access.reading import program_at, secret_from_file, secret_from_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.steps.git.asked.login import Login
    from initkit.steps.git.asked.remote import Remote

# Whose token it is, the token itself says. GitHub, GitLab and Gitea take any user with it that is not empty; Bitbucket
# wants this one with the access tokens of a repository, project or workspace (its page "Using access tokens").
TOKEN_USER = "x-token-auth"  # noqa: S105 - a user's name


class Credentials(Record):
    """What is given to one remote.

    Attributes:
        authorization: value of the header Authorization (RFC 7235, section 4.2); empty for none.
        askpass: absolute path of the program that git asks; empty for none.
        user: the user that git need not ask it for; may be empty.
    """

    authorization: str = ""
    askpass: str = ""
    user: str = ""

    def __bool__(self) -> bool:
        """Whether there is anything to give."""
        return bool(self.authorization or self.askpass)

    def variables(self, remote: Remote) -> dict[str, str]:
        """Environment variables that carry them (git-config(1), ``GIT_CONFIG_COUNT``; git 2.31).

        The header stands in every request from the first on (RFC 7617), which spares the round trip that ends in 401.
        It is bound to the remote's scheme, host and port; yet within one run git would send it on to wherever a
        redirect leads, so `settings` turns redirects off.
        """
        origin = origin_of(remote)
        pairs = {
            f"http.{origin}/.extraHeader": self.authorization and f"Authorization: {self.authorization}",
            f"credential.{origin}.username": self.askpass and self.user,
        }
        given = [(key, value) for key, value in pairs.items() if value]
        variables = {"GIT_ASKPASS": self.askpass} if self.askpass else {}
        for number, (key, value) in enumerate(given):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables | ({"GIT_CONFIG_COUNT": str(len(given))} if given else {})

    def settings(self) -> dict[str, str]:
        """Configuration that keeps credentials with the host they were given for; nothing secret."""
        return {"http.followRedirects": "false"} if self else {}


def credentials_for(remote: Remote, asked: Login, environ: Mapping[str, str], home: Remote | None) -> Credentials:
    """What `remote` is given: what its own URL says, and what the options say of `home`.

    Args:
        remote: where it goes.
        asked: the options.
        environ: where variables are looked up.
        home: the remote that the options are meant for, where that is another one. Its credentials, by option or by
            URL, are given to `remote` only if scheme, host and port are the same.

    Raises:
        PermanentError: a file, variable or program that was named is missing, or of no use.
    """
    if home is None:
        return _asked_for(remote, asked, environ)
    if remote.password:
        return _basic(remote.user, remote.password)
    # a user alone in a submodule's URL is what its author is called there, and no token
    return _asked_for(home, asked, environ) if same_origin(remote, home) else Credentials()


def _asked_for(home: Remote, asked: Login, environ: Mapping[str, str]) -> Credentials:
    user = asked.username or home.user
    if asked.bearer_file:
        return _bearer(asked.bearer_file)
    if asked.askpass:
        return Credentials(askpass=program_at(asked.askpass, "--askpass"), user=user)
    if asked.password_file:
        return _basic(user or TOKEN_USER, secret_from_file(asked.password_file, "--password-file"))
    if asked.password_env:
        return _basic(user or TOKEN_USER, secret_from_variable(asked.password_env, environ, "--password-env"))
    return _basic(home.user, home.password) if home.has_credentials else Credentials()


def _basic(user: str, password: str) -> Credentials:
    """RFC 7617; in UTF-8, as git itself sends it."""
    basic = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()
    learn(basic, place=f"the header for {user}")
    return Credentials(f"Basic {basic}")


def _bearer(path: str) -> Credentials:
    """RFC 6750, section 2.1; visible characters are all that can stand there."""
    token = secret_from_file(path, "--bearer-file")
    if not re.fullmatch(r"[!-~]+", token):
        advice = "put the token alone in the file, without the word Bearer"
        raise PermanentError(f"read the secret in {path}", "it is no bearer token (RFC 6750)", advice)
    return Credentials(f"Bearer {token}")
