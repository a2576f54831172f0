"""memcached:// as people write it."""

from __future__ import annotations

import pytest

from initkit.core.assemble import assemble
from initkit.steps.wait.schemes.memcached import Memcached, parse_url


def test_the_port_may_be_left_out() -> None:
    assert assemble(Memcached, {"url": "memcached://cache"}).name == "memcached://cache:11211"
    assert assemble(Memcached, {"url": "memcached://[::1]:11212/"}).name == "memcached://[::1]:11212"


@pytest.mark.parametrize(
    "text", ["memcached://app:hunter2@cache", "memcached://app@cache", "memcached://:hunter2@cache"]
)
def test_a_login_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="a login is not supported; wait for HOST:PORT instead") as caught:
        parse_url(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["memcached://cache/0", "memcache://cache", "memcached://", "cache:11211"])
def test_what_is_no_such_url(text: str) -> None:
    with pytest.raises(ValueError, match="expected memcached://HOST"):
        parse_url(text)
