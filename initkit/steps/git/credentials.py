"""How a user and a password reach git: by its environment, so that neither argv nor any file has them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from initkit.core.redact import learn

if TYPE_CHECKING:
    from initkit.steps.git.remote import Remote


def variables(remote: Remote) -> dict[str, str]:
    """Environment variables that carry the remote's credentials (git-config(1), ``GIT_CONFIG_COUNT``; git 2.31).

    The header stands in every request from the first on (RFC 7617), which spares the round trip that ends in 401. git
    would send it on to wherever a redirect leads, so `settings` turns redirects off.
    """
    if not remote.has_credentials:
        return {}
    basic = base64.b64encode(f"{remote.user}:{remote.password}".encode("utf-8", "surrogateescape")).decode()
    learn(basic)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


def settings(remote: Remote) -> dict[str, str]:
    """Configuration that keeps credentials with the host they were given for; nothing secret."""
    return {"http.followRedirects": "false"} if remote.has_credentials else {}
