"""The wait: many targets side by side, under one deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.outcome import Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.core.step import Prepares
from initkit.core.values import Count, Duration, show_duration
from initkit.steps.wait import watch
from initkit.steps.wait.target import AnyTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.core.outcome import Finding, Outcome
    from initkit.core.step import Context


@declared
class Wait(Declared):
    """Wait until all targets are ready, side by side: HOST:PORT or a URL each.

    With a scheme's bare name first, one target and that scheme's own options: wait http URL --status 204.
    """

    kind: ClassVar[str] = "wait"

    targets: Annotated[tuple[AnyTarget, ...], Arg("What to wait for: HOST:PORT or a URL.", "TARGET")]
    any: Annotated[bool, Opt("Be content as soon as one of them is ready.")] = False
    not_: Annotated[bool, Opt("Wait until they are gone: refused, missing or otherwise certainly not so.")] = False
    successes: Annotated[Count, Opt("How many looks in a row must find a target ready.")] = 1
    stable: Annotated[Duration, Opt("How long every look must find a target ready; servers may start twice.")] = 0.0
    retry: RetryPolicy = watch.DEFAULTS

    def __post_init__(self) -> None:
        """Refuse what cannot be waited for.

        Raises:
            ValueError: there is no target, or no run can ever satisfy the options.
        """
        if not self.targets:
            raise ValueError("expected at least one TARGET, got none")
        limit, most = self.retry.timeout, self.retry.attempts
        if self.successes < 1:
            raise ValueError("expected --successes of at least 1, got 0")
        if most and self.successes > most:
            raise ValueError(f"expected --attempts of at least --successes {self.successes}, got {most}")
        if limit and self.stable >= limit:
            stable, within = show_duration(self.stable), show_duration(limit)
            raise ValueError(f"expected a --timeout longer than --stable {stable}, got {within}")

    def prepare(self, environ: Mapping[str, str]) -> None:
        """See that no target lacks anything in the environment.

        Raises:
            UsageError: what the first one that does has to say.
        """
        for target in self.targets:
            if isinstance(target, Prepares):
                target.prepare(environ)

    def check(self, context: Context) -> Finding:
        """Look once at all targets."""
        ready, missing = watch.look(self, context)
        enough = bool(ready) if self.any else not missing
        if enough:
            return Satisfied(watch.counted(len(ready), self.wanted), {"ready": ready})
        changes = tuple(f"{name}: {why}" for name, why in missing.items())
        return Pending(f"not {self.wanted}: {', '.join(missing)}", changes, {"ready": ready, "missing": missing})

    @property
    def wanted(self) -> str:
        """What targets are to become, in a word."""
        return "gone" if self.not_ else "ready"

    def watch(self, context: Context) -> Outcome:
        """Look again and again until all targets are ready, or any of them with `any`."""
        return watch.Watch(self, context).run()


STEP = Wait
