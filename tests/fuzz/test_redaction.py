"""Redaction never leaks, whatever the secret is and however it is written; and it leaves the rest readable."""

from __future__ import annotations

import base64
import json
import random
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from initkit.core.redact import _EVERYDAY, KNOWN, MASK, learn, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


NASTY = ":@%/?#&=+ '\"\\`$(){}[]<>|;,.~^*!-_\t"
CHARACTERS = st.sampled_from(NASTY) | st.sampled_from("äöß€łж日🔑🂡\u2028\x85é") | st.characters(codec="utf-8")
PARTS = st.sampled_from(
    ["%zz", "%41", "@", ":", "''", "\\'", '\\"', "\\\\", "\\n", "u0041", "🔑", "p\u00e4ss", "+/=", "  "]
)
# the letters in front make it long enough to be a secret, and unlike anything around it
SECRETS = st.builds("".join, st.lists(PARTS | st.text(CHARACTERS, max_size=4), max_size=6)).map(lambda t: f"zq7{t}Kx9")
ANY_SECRET = SECRETS | st.text(CHARACTERS, min_size=4, max_size=12).filter(
    lambda text: len(text.replace("\\", "")) >= 4 and text.lower() not in _EVERYDAY
)


def percent(text: str, safe: str = "") -> str:
    return quote(text, safe=safe)


def lower_hex(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "".join(f"%{o:02x}" for o in c.encode()) for c in text)


def all_hex(text: str) -> str:
    return "".join(f"%{octet:02X}" for octet in text.encode())


def inner_json(text: str, *, ascii_only: bool = True) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def libpq(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def sql(text: str) -> str:
    return text.replace("'", "''")


WRITINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": percent,
    "percent, path": lambda t: percent(t, "/"),
    "percent, userinfo": lambda t: percent(t, "!$&'()*+,;=:"),
    "percent, most": lambda t: percent(t, NASTY.replace("%", "").replace(" ", "")),
    "percent, form": quote_plus,
    "percent, lower case": lower_hex,
    "percent, everything": all_hex,
    "json": inner_json,
    "json, unicode": lambda t: inner_json(t, ascii_only=False),
    "json in json": lambda t: inner_json(inner_json(t)),
    "json in json, unicode": lambda t: inner_json(inner_json(t, ascii_only=False), ascii_only=False),
    "repr": lambda t: repr(t)[1:-1],
    "ascii": lambda t: ascii(t)[1:-1],
    "repr of bytes": lambda t: repr(t.encode())[2:-1],
    "libpq": libpq,
    "sql": sql,
    "sql in json": lambda t: inner_json(sql(t)),
    "libpq in repr": lambda t: repr(libpq(t))[1:-1],
}
AROUND = ["it was {}", "({})", "x{}", '"{}"', "'{}'", "a/{}/b", "\\{}", "{}"]


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS.keys())
@given(secret=ANY_SECRET, around=st.sampled_from(AROUND))
@example(secret="p\u00e4ss:wo@rd%zz 'x\"y\\z+/\U0001f511", around="it was {}")
@example(secret="\\'" * 6 + "x", around="{}")
@example(secret="'''''''a", around="'{}'")
@example(secret='""""b', around='"{}"')
@example(secret="abcd\\\\", around="{}")
@example(secret="nabcd", around="\\n{}")
def test_no_writing_of_a_known_secret_comes_through(write: Callable[[str], str], secret: str, around: str) -> None:
    KNOWN.forget()
    learn(secret)
    written = write(secret)
    clean = redact(around.format(written))
    assert written not in clean.replace(MASK, "")
    assert MASK in clean


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", [0, 1, 2, 3, 7])
@given(secret=ANY_SECRET, behind=st.text(CHARACTERS, max_size=5), user=st.text(CHARACTERS, max_size=8))
def test_no_base64_of_a_known_secret_comes_through(
    encode: Callable[[bytes], bytes], padding: int, secret: str, behind: str, user: str
) -> None:
    KNOWN.forget()
    learn(secret)
    for text in (f"{'x' * padding}{secret}{behind}", f"{user}:{secret}"):
        encoded = encode(text.encode()).decode()
        clean = redact(f"sent: {encoded}, answered 401")
        assert encoded not in clean
        assert clean == f"sent: {MASK}, answered 401"


@given(secret=SECRETS)
def test_a_secret_learnt_as_a_url_has_it_is_known_as_it_is(secret: str) -> None:
    KNOWN.forget()
    learn(quote(secret, safe=""))
    assert secret not in redact(f"it was {secret}")


@given(text=st.text(CHARACTERS, max_size=60), secret=SECRETS)
def test_redacting_again_changes_nothing(text: str, secret: str) -> None:
    KNOWN.forget()
    once = redact(f"postgres://u:{quote(secret)}@h password={secret} {text}")
    assert redact(once) == once


@given(secrets=st.lists(SECRETS, min_size=2, max_size=5))
def test_of_several_secrets_none_comes_through(secrets: list[str]) -> None:
    KNOWN.forget()
    for secret in secrets:
        learn(secret)
    clean = redact(" ".join(secrets))
    assert not [secret for secret in secrets if secret in clean]


def test_what_is_shorter_than_four_characters_is_left_to_the_patterns() -> None:
    learn("abc")
    learn("\\\\\\\\")
    assert redact("abcdef and postgres://u:abc@h") == f"abcdef and postgres://u:{MASK}@h"


@pytest.mark.parametrize("secret", ["\\" * 4, "\\" * 7, "a\\\\\\b", "\\\\ab"])
def test_a_secret_of_little_but_backslashes(secret: str) -> None:
    learn(secret)
    for written in (secret, json.dumps(secret)[1:-1], inner_json(inner_json(secret)), quote(secret), lower_hex(secret)):
        assert redact(f"it was {written}!") == f"it was {MASK}!"
    assert redact("a and b, \\a and \\b") == "a and b, \\a and \\b"


def test_half_characters_and_octets_that_are_no_text_can_be_secrets() -> None:
    for secret in ("\ud800abcd", "caf\udce9s"):
        learn(secret)
        assert secret not in redact(f"it was {secret}")
    assert redact("caf%E9s") == MASK


# nothing learnt: by the shape of the text alone

USERINFO = "abcXYZ019-._~!$&'()*+,;=:"  # RFC 3986, section 3.2.1
PASSWORDS = st.text(USERINFO, max_size=10).map(lambda t: f"zq7{t}Kx9")
WORDS = st.text("abcdefghij0123456789_-", min_size=1, max_size=8)


@given(
    scheme=st.sampled_from(["postgres", "postgresql+psycopg", "http", "https", "redis", "amqp", "1postgres", "X-A.b"]),
    user=st.text("abcdef0-_", max_size=6),
    password=PASSWORDS | SECRETS.map(lambda s: quote(s, safe="")),
    tail=st.sampled_from(
        ["", "/", "/shop", ":5432/shop?sslmode=require", "/a@b", "#x", "'", '"', ", and more", ": no"]
    ),
    before=st.sampled_from(["", "cannot use ", "'", '"', "(", "url=", "git+", '{"url": "']),
)
def test_userinfo_of_urls(scheme: str, user: str, password: str, tail: str, before: str) -> None:
    clean = redact(f"{before}{scheme}://{user}:{password}@db{tail}")
    assert clean == f"{before}{scheme}://{user}:{MASK}@db{tail}"


def test_a_token_in_a_users_place_goes_with_http_and_a_users_name_stays_elsewhere() -> None:
    assert redact("https://ghp_abc123@github.com/x") == f"https://{MASK}@github.com/x"
    assert redact("postgres://app@db/shop") == "postgres://app@db/shop"
    assert redact("ssh://git@host/x") == "ssh://git@host/x"


@pytest.mark.parametrize("password", ["with space", "sl/ash", "ha#sh", "que?ry", "a b/c d"])
def test_a_password_that_should_have_been_encoded(password: str) -> None:
    for tail in ("/shop", ":5432/x", "", " failed"):
        clean = redact(f"postgres://app:{password}@db{tail}")
        assert clean == f"postgres://app:{MASK}@db{tail}"


LIBPQ_NAMES = st.sampled_from(
    ["password", "sslpassword", "PASSWORD", "db_password", "passwd", "pwd", "api_key", "token"]
)


@given(
    name=LIBPQ_NAMES,
    value=SECRETS,
    before=st.sampled_from(["", "host=db user=x ", "dsn: ", "(", "\n"]),
    spaces=st.sampled_from(["=", " = ", "= "]),
)
def test_quoted_values_of_libpq_keywords(name: str, value: str, before: str, spaces: str) -> None:
    assert redact(f"{before}{name}{spaces}'{libpq(value)}' dbname=shop") == (
        f"{before}{name}{spaces}{MASK} dbname=shop"
    )


@given(name=LIBPQ_NAMES, value=SECRETS.map(lambda s: "".join(s.split())))
def test_bare_values_of_libpq_keywords(name: str, value: str) -> None:
    for text, clean in [
        (f"host=db {name}={value} dbname=shop", f"host=db {name}={MASK} dbname=shop"),
        (f"connect(host=db, {name}={value})", f"connect(host=db, {name}={MASK})"),
        (f"'{name}={value}'", f"'{name}={MASK}'"),
    ]:
        assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "password='hunter2 and more",
        'password="hunter2 and more',
        r"password=\"hunter2 x\"",
        r"password=\'hunter2 x\'",
        "password='hunter2",
        "password='hunter\\",
        '{"password": "hunter2 \\" x"}',
        "{'password': 'hunter2'}",
        r"{\"api_key\": \"hunter2\"}",
        "https://h/x?password=hunter2&y=1",
        "https://h/x?y=1;access_token=hunter2",
        "https://h/x?sig=hunter2#top",
        "Authorization: Basic hunter2aGVsbG8=",
        "authorization: hunter2",
        "'Authorization': 'Bearer hunter2.x.y'",
        '"Proxy-Authorization": "Negotiate hunter2=="',
        'Authorization: Digest username="a", realm="b", response="hunter2"',
        "Cookie: session=hunter2; csrf=hunter2",
        "Set-Cookie: sid=hunter2; Path=/; HttpOnly",
        "X-Vault-Token: hunter2",
        "x-api-key: hunter2",
        "sent Bearer hunter2hunter",
        "sent Basic aHVudGVyMgxYz hunter",
        "MYSQL_PWD=hunter2",
        "DB_PASS=hunter2",
        "--password=hunter2",
        "spring.datasource.password=hunter2",
    ],
)
def test_other_places_where_a_secret_may_stand(text: str) -> None:
    clean = redact(text)
    assert "hunter2" not in clean
    assert "aHVudGVyMgxYz" not in clean
    assert MASK in clean


HARMLESS = [
    "primary key (id)=(3)",
    'duplicate key value violates unique constraint "orders_pkey"',
    "key=value",
    "cannot resolve db",
    "token bucket",
    "the token bucket = 3 tokens a second",
    "wrong password: check user and password",
    'password authentication failed for user "app"',
    "fe_sendauth: no password supplied",
    "authorization failed: no rule for this user",
    "Basic authentication is required",
    "basic knowledge of bearer certificates",
    "select code, sig from keys where key = 'a' and author = 'b'",
    "insert into secrets (name) values ($1)",
    "waiting for tcp://db:5432: connection refused; ask admin@example.com",
    "http://registry:5000/npm/@scope/package answers 404",
    "cannot connect to db:5432: timed out after 5m (12 attempts); check that it is running",
    "git@github.com:org/site.git",
    "fatal: unable to access 'https://git/site/': Could not resolve host: git",
    "author: A. Person <a.person@example.com>",
    "postgres://app@db/shop lets us in",
    "see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS",
    "compass=3 bypass=1 monkey=2 keyboard=us",
    "if token == expected and secret != other:",
    "cookies are baked; the cookie jar is full",
    "3 revisions applied: a1 -> c3",
    "mode 0640, owner 1000:1000, /data/secret/token changed",
    "x-axis: 3, x-ray: no",
    '{"time": "2024-01-01T00:00:00Z", "level": "info", "target": "tcp://cache:6379", "mail": "root@localhost:25"}',
    "100% of 5 files; a+b=c; 'quoted' \"twice\" and \\ alone",
]


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines_stay_as_they_are(line: str) -> None:
    assert redact(line) == line


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines_stay_as_they_are_where_secrets_are_known(line: str) -> None:
    for secret in ("hunter2-canary", "with space'quote", "%41\\x41"):
        learn(secret)
    assert redact(line) == line


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(CHARACTERS), st.lists, max_leaves=8), SECRETS)
def test_json_of_what_was_redacted_stays_json(value: object, secret: str) -> None:
    """What is printed passes here twice: as it is said, and as it is written."""
    KNOWN.forget()
    learn(secret)
    clean = redact(f"password={secret} postgres://u:{quote(secret)}@h, {secret}")
    line = json.dumps({"message": clean, "password": MASK, "value": [redact(json.dumps(value))]})
    assert json.loads(redact(line)) == json.loads(line)


# time

SIZE = 100_000
LOG = 'select "a" insert error connection refused host=db user=app at 0x7f primary key (id)=(3) /var/lib/x\n'
SLOW = {
    "log": LOG * (SIZE // len(LOG)),
    "colons": "postgres://" + ":" * 5000,
    "schemes": "postgres://u:" * 5000,
    "dotted": "://=@" + "a." * (SIZE // 2),
    "ats": "://u:" + "@a" * (SIZE // 2),
    "backslashes in quotes": "password='" + "\\" * 5000,
    "backslashes": "=" + "\\" * SIZE,
    "quotes": "password=a" + "'" * SIZE,
    "open quotes": "password='\\" * (SIZE // 11),
    "names": "token" * (SIZE // 5) + "=",
    "spaced names": "password " * (SIZE // 9) + "=",
    "spaces": "password" + " " * SIZE + "=",
    "header names": ": x-" + "key" * (SIZE // 3),
    "header starts": ": " + "x-" * (SIZE // 2),
    "headers": "authorization:" * (SIZE // 14),
    "cookies": "cookie:" + "a;" * (SIZE // 2),
    "basic": "basic " * (SIZE // 6),
    "base64": base64.b64encode(random.Random(1).randbytes(SIZE)).decode(),
    "escapes": "\\\\\\u0027" * (SIZE // 8),
    "percents": "%5c" * (SIZE // 3),
    "entries": '"password": "\\' * (SIZE // 14),
    "digest": "authorization: digest " + "a=b, " * (SIZE // 5),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_hundred_kilobytes_take_no_absurd_time(name: str) -> None:
    """Quadratic time would be minutes here, exponential time for ever; what is usual is a tenth of a second."""
    chance = random.Random(2)
    for _ in range(17):
        learn("".join(chance.choice(NASTY + "abcxyz0129") for _ in range(24)))
    for secret in ("\\'" * 10 + "x", "\\" * 20 + "y", "'" * 20 + "z"):
        learn(secret)
    redact("")  # builds the pattern
    began = time.process_time()
    redact(SLOW[name])
    assert time.process_time() - began < 10
