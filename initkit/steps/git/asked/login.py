"""Options that say as whom a repository is reached; what they come to is the business of `access`."""

from __future__ import annotations

from typing import Annotated

from initkit.core.options import Declared, Opt, declared


@declared
class Login(Declared):
    """Credentials and certificates for HTTP; all of it is read anew for each attempt, for Secrets are renewed."""

    username: Annotated[
        str, Opt("User for HTTP; a token alone, which is given as the password, needs none.", "NAME")
    ] = ""
    password_env: Annotated[str, Opt("Environment variable that holds the password or token.", "NAME")] = ""
    password_file: Annotated[str, Opt("File that holds the password or token, such as a mounted Secret.", "FILE")] = ""
    bearer_file: Annotated[str, Opt("File that holds a bearer token (RFC 6750) to send.", "FILE")] = ""
    askpass: Annotated[
        str, Opt("Program that prints the user or the password that git asks it for, as GIT_ASKPASS does.", "PROGRAM")
    ] = ""
    ca_file: Annotated[
        str, Opt("File with certificates (PEM) of authorities to trust besides the system's.", "FILE")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant together.

        Raises:
            ValueError: several ways to log in, a user without a password, or a user's name that can be none.
        """
        ways = self.ways_to_log_in()
        if len(ways) > 1:
            raise ValueError(f"expected one way to log in, got {' and '.join(ways)}")
        if self.username and not (set(ways) - {"--bearer-file"}):
            raise ValueError(
                "expected --password-env, --password-file or --askpass with --username, "
                f"got --username {f'and {ways[0]}' if ways else 'alone'}"
            )
        if ":" in self.username or not self.username.isprintable():
            raise ValueError("expected a user's name as --username, got a colon or control characters in it")

    def ways_to_log_in(self) -> list[str]:
        """The options given, each of which alone says with what to log in."""
        return [
            option
            for option, value in (
                ("--password-env", self.password_env),
                ("--password-file", self.password_file),
                ("--bearer-file", self.bearer_file),
                ("--askpass", self.askpass),
            )
            if value
        ]
