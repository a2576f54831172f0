"""A real RabbitMQ for the session, with users and vhosts in all the states that a client may meet."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_daemon import daemon, free_port, listens
from fix_need import need_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fix_tls import PrivateCa


def _user(name: str, password: str) -> dict[str, object]:
    salt = os.urandom(4)  # https://www.rabbitmq.com/docs/passwords#computing-password-hash
    digest = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    return {"name": name, "password_hash": digest, "hashing_algorithm": algorithm, "tags": ""}


def _may(user: str, vhost: str) -> dict[str, str]:
    return {"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}


_DEFINITIONS = {
    "users": [_user("guest", "guest"), _user("app", "hunter2"), _user("stranger", "hunter2")],
    "vhosts": [{"name": name} for name in ("/", "shop", "a/b", "full", "down")],
    "permissions": [_may("guest", "/"), *(_may("app", vhost) for vhost in ("/", "shop", "a/b", "full", "down"))],
    "parameters": [
        {"component": "vhost-limits", "name": "limits", "vhost": "full", "value": {"max-connections": 0}},
    ],
}


@dataclass
class Rabbit:
    """A broker with the users guest, app and stranger (who may use no vhost); their password is hunter2, guest's guest.

    The vhosts are /, shop, a/b, and full, which takes no connections.
    """

    port: int
    tls_port: int
    folder: Path
    scripts: Path
    environ: dict[str, str]

    def url(self, userinfo: str = "", path: str = "") -> str:
        return f"amqp://{userinfo}{'@' if userinfo else ''}127.0.0.1:{self.port}{path}"

    def tls_url(self, userinfo: str = "app:hunter2") -> str:
        return f"amqps://{userinfo}@127.0.0.1:{self.tls_port}/shop"

    def evaluate(self, erlang: str) -> str:
        """Have the broker evaluate an expression; it takes seconds."""
        words = [str(self.scripts / "rabbitmqctl"), "-q", "eval", erlang]
        return subprocess.run(words, env=self.environ, check=True, capture_output=True, text=True, timeout=60).stdout

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@pytest.fixture(scope="session")
def rabbitmq(private_ca: PrivateCa) -> Iterator[Rabbit]:
    # not the program on PATH: as root Debian's would switch to a user of its own, and run for no other
    scripts = Path(os.path.realpath(need_program("rabbitmq-server"))).parent
    with tempfile.TemporaryDirectory(prefix="initkit-rabbitmq-", ignore_cleanup_errors=True) as name:
        rabbit = _laid_out(Path(name), scripts, private_ca)
        epmd = rabbit.environ["ERL_EPMD_PORT"]
        try:
            with daemon(
                [str(scripts / "rabbitmq-server")],
                lambda: "Server startup complete" in rabbit.log() and listens(rabbit.tls_port),
                rabbit.folder / "log",
                patience=120,
                env=rabbit.environ,
                cwd=name,
            ):
                yield rabbit
        finally:
            # Erlang's port mapper makes itself a daemon; this one is known by the port that nobody else has
            subprocess.run(["epmd", "-port", epmd, "-kill"], env=rabbit.environ, check=False, capture_output=True)


def _laid_out(folder: Path, scripts: Path, ca: PrivateCa) -> Rabbit:
    port, tls_port, epmd, distribution = (free_port() for _ in range(4))
    (folder / "definitions.json").write_text(json.dumps(_DEFINITIONS))
    (folder / "plugins").write_text("[].")
    (folder / "env.conf").touch()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        f"listeners.ssl.1 = 127.0.0.1:{tls_port}\n"
        f"ssl_options.cacertfile = {ca.ca}\n"
        f"ssl_options.certfile = {ca.server.cert}\n"
        f"ssl_options.keyfile = {ca.server.key}\n"
        "ssl_options.verify = verify_peer\n"
        "ssl_options.fail_if_no_peer_cert = false\n"
        f"load_definitions = {folder}/definitions.json\n"
        "disk_free_limit.absolute = 1MB\n"
        "log.console.level = info\n"
    )
    environ = {
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"initkit{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none",  # its threads would spin while they wait
    }
    return Rabbit(port, tls_port, folder, scripts, environ)
