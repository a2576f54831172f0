"""The wait: many targets side by side, under one deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.options import Arg, Declared, Opt, declared
from initkit.core.outcome import Pending, Satisfied
from initkit.core.retry import RetryPolicy
from initkit.steps.wait import watch
from initkit.steps.wait.target import AnyTarget

if TYPE_CHECKING:
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
    retry: RetryPolicy = watch.DEFAULTS

    def __post_init__(self) -> None:
        """Refuse to wait for nothing.

        Raises:
            ValueError: there is no target.
        """
        if not self.targets:
            raise ValueError("expected at least one TARGET, got none")

    def check(self, context: Context) -> Finding:
        """Look once at all targets."""
        ready, missing = watch.look(self, context)
        enough = bool(ready) if self.any else not missing
        if enough:
            return Satisfied(watch.counted(len(ready), "ready"), {"ready": ready})
        changes = tuple(f"{name}: {why}" for name, why in missing.items())
        return Pending(f"not ready: {', '.join(missing)}", changes, {"ready": ready, "missing": missing})

    def watch(self, context: Context) -> Outcome:
        """Look again and again until all targets are ready, or any of them with `any`."""
        return watch.Watch(self, context).run()


STEP = Wait
