"""Values that are known to be secret, above all those that are renewed while a run goes on."""

from __future__ import annotations

import gc
import tracemalloc

from initkit.core.redact import KnownSecrets


def test_what_is_renewed_is_masked_together_with_what_it_was_just_before() -> None:
    known = KnownSecrets()
    known.learn("token-of-day-one", place="/run/token")
    known.learn("token-of-day-two", place="/run/token")
    assert known.mask("token-of-day-one token-of-day-two") == "*** ***"


def test_what_is_renewed_for_a_year_is_not_all_remembered() -> None:
    known = KnownSecrets()
    known.learn("always-the-same")
    known.learn("another-place's", place="/run/other")
    for number in range(100, 200):
        known.learn(f"token-number-{number}", place="/run/token")
    assert known.mask("token-number-100") == "token-number-100", "or it would take more memory with each"
    assert known.mask("token-number-198 token-number-199 always-the-same another-place's") == "*** *** *** ***"


def test_what_was_just_read_again_counts_as_new() -> None:
    known = KnownSecrets()
    for value in ("first", "second", "third", "first", "fourth", "fifth"):
        known.learn(f"{value}-value", place="/run/token")
    assert known.mask("first-value second-value") == "*** second-value"


def test_memory_is_flat_while_a_token_is_renewed() -> None:
    known = KnownSecrets()
    tracemalloc.start()
    try:
        taken = []
        for number in range(16):
            known.learn(f"a-token-that-is-as-long-as-they-are-{number:03}", place="/run/token")
            known.mask("a line of the log")
            if number in {5, 15}:
                gc.collect()
                taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert taken[1] < 1.5 * taken[0]
