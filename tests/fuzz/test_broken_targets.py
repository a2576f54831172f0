"""Two hundred targets, broken at random: never a traceback, never long past the deadline, never a password."""

from __future__ import annotations

import os
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, make_context
from fix_peer import begins, closes, echoes, floods, garbage, http, resets, silent, trickles
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, TimedOutError, UsageError
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN, redact
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fix_peer import Behaviour

    Peer = Callable[[Behaviour], int]

SEED = int(os.environ.get("INITKIT_TEST_SEED", "20261122"))  # another number: other targets
CANARY = "c4n4ry-hunter2"
COUNT = 200
TIMEOUT = 0.4  # seconds for each wait
GRACE = 5.0  # seconds past the deadline that a busy machine may take
TOGETHER = 16

VALID = (
    "tcp://127.0.0.1:1",
    "127.0.0.1:1",
    "[::1]:1",
    "localhost:1",
    "db.invalid:5432",
    f"http://app:{CANARY}@127.0.0.1:1/ready?size=1",
    f"https://app:{CANARY}@[::1]:1/ready",
    f"http://app:{CANARY}@db.invalid/",
    f"postgres://app:{CANARY}@127.0.0.1:1/shop?connect_timeout=1",
    f"postgresql://app:{CANARY}@127.0.0.1:1,localhost:2/shop",
    f"postgres:host=127.0.0.1 port=1 user=app password={CANARY}",
    f"mysql://app:{CANARY}@127.0.0.1:1/shop?charset=utf8mb4",
    f"mariadb://app:{CANARY}@localhost:1/shop",
    f"redis://app:{CANARY}@127.0.0.1:1/0",
    f"rediss://:{CANARY}@127.0.0.1:1",
    f"amqp://app:{CANARY}@127.0.0.1:1/shop%2Fa",
    f"amqps://app:{CANARY}@127.0.0.1:1",
    f"nats://{CANARY}@127.0.0.1:1",
    f"mqtt://app:{CANARY}@127.0.0.1:1",
    f"mqtts://app:{CANARY}@127.0.0.1:1",
    f"memcached://app:{CANARY}@127.0.0.1:1",
    "udp://127.0.0.1:1",
    "dns:db.invalid",
    "unix:///nowhere/socket",
    "file:/nowhere/token",
    "command:true",
)
ODD = (
    *"%[]@:/?#\\'\"&=+,;<>|~^ -_.*$!(){}`",
    *("%zz", "%", "%00", "%2", "\0", "\x1b[31m", "\n", "\r\n", "\t", "\x7f", "é", "ß", "\u202e", "\u06dd", "😀"),
    *(
        "\udcff",
        "::",
        "//",
        "@@",
        "[::",
        "]:",
        ":99999",
        ":0",
        ":-1",
        ":" + "9" * 40,
        "a" * 300,
        "..",
        "xn--",
        "localhost",
    ),
)
# contacting whoever a mutated address may belong to would be rude
_NEAR = re.compile(r"127\.0\.0\.1|localhost|::1|\.invalid|^(file|unix|command):")
# where it stands elsewhere after an accident, nothing tells that it is a password
_SECRET = re.compile(rf":{CANARY}.*@|^nats://{CANARY}@|password={CANARY}", re.DOTALL)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


def broken(chance: random.Random) -> str:
    """A valid target, broken at one to four places; a password in it stays in one piece."""
    text = chance.choice(VALID)
    pieces = [piece for part in re.split(f"({CANARY})", text) for piece in ([part] if part == CANARY else part)]
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(pieces) + 1)
        match chance.randrange(6):
            case 0:
                del pieces[at : at + chance.randint(1, 3)]
            case 1:
                del pieces[at:]
            case 2:
                pieces[at : at + 1] = [chance.choice(ODD)]
            case 3:
                other = chance.randrange(len(pieces) + 1)
                pieces[min(at, other) : max(at, other)] = pieces[min(at, other) : max(at, other)][::-1]
            case _:
                pieces.insert(at, chance.choice(ODD))
    return "".join(pieces)


def many_broken(chance: random.Random, count: int, fits: Callable[[str], bool] = lambda _: True) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found += filter(fits, [broken(chance)])
    return found


def run(target: str) -> list[str]:
    """Wait for one target; all that was said. Anything but an error of ours is raised."""
    said: list[str] = []
    began = time.monotonic()
    try:
        step = assemble(Wait, {"targets": [target], "retry": {"attempt-timeout": "200ms"}})
        step.prepare({})
        said.append(step.targets[0].name)
        voice = RecordingVoice()
        try:
            said.append(str(step.watch(make_context(timeout=TIMEOUT, voice=voice))))
        finally:
            said += [why for _, why in voice.missed] + voice.notes + voice.details + voice.warnings
    except (Invalid, UsageError, PermanentError, TimedOutError) as error:
        said.append(str(error))
    assert time.monotonic() - began < TIMEOUT + GRACE, "it went on past the deadline"
    return said


def wrong(target: str) -> str:
    """What is wrong with what comes of it; nothing where all is well."""
    try:
        said = run(target)
    except Exception as error:  # noqa: BLE001 - what was raised is told with the seed
        return f"{target!r} raised {error!r}"
    leaks = [text for text in said if _tells(target, redact(text))]
    return f"{target!r} tells the password: {leaks}" if leaks else ""


def _tells(target: str, said: str) -> bool:
    return CANARY in said and bool(_SECRET.search(target))


def all_wrong(targets: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(TOGETHER) as pool:
        return [found for found in pool.map(wrong, targets) if found]


def test_broken_urls_end_in_an_error_of_ours() -> None:
    targets = many_broken(random.Random(SEED), COUNT, lambda text: bool(_NEAR.search(text)))
    assert all_wrong(targets) == [], f"INITKIT_TEST_SEED={SEED}"


def test_broken_urls_are_refused_without_their_password() -> None:
    chance = random.Random(SEED + 1)
    found = []
    for text in many_broken(chance, COUNT * 2):
        KNOWN.forget()  # or a password would be masked because another target has told it
        try:
            name = assemble(Wait, {"targets": [text]}).targets[0].name
        except Invalid as error:
            name = str(error)
            if not name:
                found.append(f"{text!r} is refused without a word")
        if _tells(text, redact(name)):
            found.append(f"{text!r}: {name}")
    assert found == [], f"INITKIT_TEST_SEED={SEED}"


@pytest.mark.parametrize(
    "slip", ["{}:/{}@{}", "{}:{}@{}", "{}: //{}@{}", "{}:///{}@{}", " {}://{}@{}/%", "{}://{}@{}:port"]
)
@pytest.mark.parametrize("scheme", ["http", "postgres", "mysql", "redis", "amqp", "nats", "mqtt", "memcached"])
def test_a_slip_in_a_url_shows_no_password(scheme: str, slip: str) -> None:
    try:
        said = assemble(Wait, {"targets": [slip.format(scheme, f"app:{CANARY}", "db.invalid")]}).targets[0].name
    except Invalid as error:
        said = str(error)
    assert CANARY not in redact(said)


@pytest.mark.parametrize("scheme", ["http", "postgres", "mysql", "redis", "amqp", "nats", "mqtt"])
@pytest.mark.parametrize(
    "place", ["app:{}\udcff@127.0.0.1:{}", "app\udcff:{}@127.0.0.1:{}", "app:{}@127.0.0.1:{}/\udcff"]
)
def test_bytes_that_are_no_utf8_are_no_bug(peer: Peer, scheme: str, place: str) -> None:
    # as os.fsdecode reads such a byte of the command line or of the environment
    assert wrong(f"{scheme}://{place.format(CANARY, peer(closes))}") == ""


# what servers of these protocols say first, or answer
WORDS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"-NOAUTH Authentication required.\r\n+PONG\r\n$5\r\nhello\r\n*2\r\n:1\r\n:2\r\n%1\r\n",
    b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05IT\0\0\0\x0b\0\x01\0\0C\0\0\0\x0dSELECT 1\0E\0\0\0\x10SFATAL\0C28P01\0\0",
    b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\xff\x02\0\xff\xdf\x15"
    + bytes(10)
    + b"abcdefghijkl\0mysql_native_password\0",
    b"\x01\0\0\0\0\x00\x1c\x00\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce",
    b'INFO {"server_id":"x","auth_required":true,"max_payload":1048576}\r\nPONG\r\n-ERR x\r\n',
    b"\x20\x02\x00\x00\xd0\x00",
    b"VERSION 1.6.18\r\nERROR\r\n\x81\0\0\0",
    b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03" + bytes(64),
)
SCHEMES_TO_TALK_TO = (
    "tcp",
    "http",
    "https",
    "postgres",
    "mysql",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "nats",
    "mqtt",
    "mqtts",
    "memcached",
)


def behaviours(chance: random.Random) -> list[Behaviour]:
    """Ten sorts of broken servers, with what they say made up anew."""
    words = bytearray(chance.choice(WORDS))
    for _ in range(chance.randint(0, 3)):
        words[chance.randrange(len(words))] = chance.randrange(256)
    cut = bytes(words[: chance.randint(1, len(words))])
    return [
        *(garbage, silent, trickles, closes, resets, echoes, http),
        floods(chance.choice([bytes(words), b"\0" * 4096, b"x" * 4096, chance.randbytes(512)])),
        begins(bytes(words)),
        begins(cut, closes),
        begins(cut, trickles),
        begins(bytes(words), garbage),
    ]


def to_broken_servers(chance: random.Random, peer: Peer, count: int) -> list[str]:
    """Valid URLs of servers that are broken."""
    urls = []
    for number in range(count):
        scheme = SCHEMES_TO_TALK_TO[number % len(SCHEMES_TO_TALK_TO)]
        port = peer(chance.choice(behaviours(chance)))
        userinfo = "" if scheme in {"tcp", "memcached"} else f"app:{CANARY}@"
        urls.append(f"{scheme}://{userinfo}127.0.0.1:{port}{'/shop' if scheme == 'postgres' else ''}")
    return urls


def test_broken_servers_end_in_an_error_of_ours(peer: Peer) -> None:
    urls = to_broken_servers(random.Random(SEED), peer, 6 * len(SCHEMES_TO_TALK_TO))
    assert all_wrong(urls) == [], f"INITKIT_TEST_SEED={SEED}"


def test_every_scheme_that_talks_is_among_those() -> None:
    known = {word.partition(":")[0] for word in VALID} | {"tcp", "migrations"}  # that one takes a path
    assert [name for name in SCHEMES.names() if name not in known] == []


def test_the_program_ends_in_time_and_tells_no_password(peer: Peer) -> None:
    chance = random.Random(SEED + 2)
    urls = many_broken(chance, 6, lambda word: bool(_NEAR.search(word)) and _is_an_argument(word))
    urls += to_broken_servers(chance, peer, 6)
    with ThreadPoolExecutor(3) as pool:
        found = [wrong for wrong in pool.map(_wrong_of_program, urls) if wrong]
    assert found == [], f"INITKIT_TEST_SEED={SEED}"


def _is_an_argument(word: str) -> bool:
    try:
        return "\0" not in word and bool(os.fsencode(word)) and not word.startswith("-")
    except UnicodeEncodeError:
        return False


def _wrong_of_program(url: str) -> str:
    began = time.monotonic()
    ended = initkit("wait", url, f"--timeout={TIMEOUT}", "--attempt-timeout=200ms", timeout=30)
    output = ended.stdout + ended.stderr
    late = time.monotonic() - began > TIMEOUT + GRACE
    is_ours = ended.returncode in {0, 1, 2, 124} and "Traceback" not in output
    if is_ours and not late and not _tells(url, output):
        return ""
    return f"{url!r} ended with {ended.returncode}{' late' if late else ''}:\n{output}"


def test_many_broken_servers_in_one_wait_end_with_the_deadline(peer: Peer) -> None:
    urls = to_broken_servers(random.Random(SEED + 3), peer, 26)
    began = time.monotonic()
    ended = initkit("wait", *urls, "--timeout=1s", timeout=30)
    assert ended.returncode in {1, 124}
    assert time.monotonic() - began < 1 + GRACE
    assert "Traceback" not in ended.stderr, f"INITKIT_TEST_SEED={SEED}"
    assert CANARY not in ended.stdout + ended.stderr, f"INITKIT_TEST_SEED={SEED}"
