"""`initkit run` and `initkit schema`: plans as files, and their JSON Schema."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from initkit.core.errors import PermanentError, UsageError
from initkit.core.options import Arg, Declared, declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initkit.engine.entries import Entry


@declared
class Run(Declared):
    """Run the steps of a plan."""

    plan: Annotated[str, Arg("The plan's file; - reads it from standard input.", "PLAN")]

    def entries(self, environ: Mapping[str, str]) -> list[Entry]:
        """The plan's steps.

        Raises:
            UsageError: it cannot be read.
            PlanError: it has mistakes.
        """
        from initkit.engine import plan  # noqa: PLC0415 - only where there is one

        return plan.parse(self._text(), self.plan, environ)

    def _text(self) -> str:
        try:
            if self.plan == "-":
                return sys.stdin.read()
            with open(self.plan, encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            raise UsageError(
                f"read {self.plan}", error.strerror or str(error), "mount the plan, or mend its path"
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"read {self.plan}", "it is not UTF-8", "save it as UTF-8") from error


@declared
class Schema(Declared):
    """Print the JSON Schema of a plan, for editors."""

    def print(self) -> None:
        """Write the schema, as JSON, to standard output.

        Raises:
            PermanentError: nothing can be written there; that nobody reads to the end is no error.
        """
        import json  # noqa: PLC0415 - only `initkit schema` asks

        from initkit.engine.schema import plan_schema  # noqa: PLC0415

        text = json.dumps(plan_schema(), indent=2)
        try:
            # not through the redacted stream, which forgives what cannot be written
            sys.stdout.buffer.write(text.encode() + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            return
        except OSError as error:
            raise PermanentError("print the schema", error.strerror or str(error), "make room there") from error
