"""A real Mosquitto: a listener for everyone, one for user and password, and one with TLS."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fix_daemon import daemon, free_port, listens
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fix_tls import PrivateCa


@dataclass
class Mosquitto:
    """The ports of its listeners; the user is app, the password hunter2.

    Attributes:
        tls: for everyone, with TLS.
        tls_clients: for those with a certificate of the CA.
        log: what it prints.
    """

    open: int
    login: int
    tls: int
    tls_clients: int
    log: Path


@pytest.fixture
def mosquitto(tmp_path: Path, private_ca: PrivateCa) -> Iterator[Mosquitto]:
    program = need_program("mosquitto")
    passwords = tmp_path / "passwords"
    words = [need_program("mosquitto_passwd", "mosquitto"), "-b", "-c", str(passwords), "app", "hunter2"]
    subprocess.run(words, check=True, capture_output=True)
    broker = Mosquitto(free_port(), free_port(), free_port(), free_port(), tmp_path / "mosquitto.log")
    tls = f"cafile {private_ca.ca}\ncertfile {private_ca.server.cert}\nkeyfile {private_ca.server.key}\n"
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        "user root\nper_listener_settings true\n"  # as root it would run as a user who may not read the key
        f"listener {broker.open} 127.0.0.1\nallow_anonymous true\n"
        f"listener {broker.login} 127.0.0.1\npassword_file {passwords}\n"
        f"listener {broker.tls} 127.0.0.1\nallow_anonymous true\n{tls}"
        f"listener {broker.tls_clients} 127.0.0.1\nallow_anonymous true\n{tls}require_certificate true\n"
    )
    with daemon([program, "-v", "-c", str(config)], lambda: listens(broker.tls_clients), broker.log):
        yield broker
