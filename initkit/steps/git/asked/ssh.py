"""Options for ssh; what they come to is the business of `access`."""

from __future__ import annotations

from typing import Annotated

from initkit.core.options import Opt, declared
from initkit.steps.git.asked.login import Login
from initkit.steps.git.asked.values import Fingerprint


@declared
class Ssh(Login):
    """The key to log in with, and by what the server is known."""

    ssh_key_file: Annotated[str, Opt("File with the private key for ssh; its mode does not matter.", "FILE")] = ""
    known_hosts: Annotated[str, Opt("File with the keys of servers, as ssh-keyscan prints them.", "FILE")] = ""
    host_key_fingerprint: Annotated[
        tuple[Fingerprint, ...], Opt("Fingerprint of the server's key, in place of --known-hosts.")
    ] = ()
    insecure_ignore_host_key: Annotated[
        bool, Opt("Take any server for the right one: whoever is in between can then read and change everything.")
    ] = False
