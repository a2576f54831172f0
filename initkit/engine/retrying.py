"""The loop around a step's attempts; when it goes on is decided by `core.retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from initkit.core.errors import InitkitError

if TYPE_CHECKING:
    from collections.abc import Callable

    import tenacity

    from initkit.core.retry import Attempts

T = TypeVar("T")


def persist(
    attempt: Callable[[], T],
    attempts: Attempts,
    sleep: Callable[[float], None],
    on_failure: Callable[[InitkitError], object],
) -> T:
    """Call `attempt` until it returns, or until `attempts` says that there is no other.

    Args:
        attempt: called again and again; its errors of ours are judged, any other is a bug and passes through.
        attempts: decides after each failure.
        sleep: called between two attempts, with seconds.
        on_failure: told of every failure after which there is another attempt.

    Raises:
        InitkitError: the last one: permanent, or timed out.
    """

    def pause_after(error: InitkitError) -> float:
        verdict = attempts.judge(error)
        if verdict.error is not None:
            raise verdict.error  # its cause is known already
        on_failure(error)
        return verdict.pause

    try:
        return attempt()
    except InitkitError as error:
        pause = pause_after(error)
    import tenacity  # noqa: PLC0415 - 50 ms of CPU that a run without a failure never pays

    def pause_of(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return pause_after(error) if isinstance(error, InitkitError) else 0.0

    sleep(pause)
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(InitkitError),
        wait=pause_of,
        stop=tenacity.stop_never,
        sleep=sleep,
    )
    return again(attempt)
