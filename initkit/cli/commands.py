"""A dataclass of options as a click command; click only cuts the words apart, what they mean is read as in a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from initkit import __version__
from initkit.cli.settings import Settings
from initkit.core.assemble import VariantParser, Variants, assemble
from initkit.core.errors import UsageError
from initkit.core.options import Declared, Invalid, Option, Problem, Scope, did_you_mean, options_of, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Given = dict[str, object]


class _PlainHelp(click.Command):
    """A command whose ``--help`` is made without looking for translations, which takes 2 ms at every start."""

    def get_help_option(self, ctx: click.Context) -> click.Option:  # noqa: ARG002 - click's
        """The option that shows the help and exits."""
        return click.Option(
            ["--help"], is_flag=True, is_eager=True, expose_value=False, help="Show this help.", callback=_show_help
        )


def _show_help(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's
    if asked and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class OptionsCommand(_PlainHelp):
    """A command made of one or several dataclasses; its help shows their options in sections."""

    def __init__(self, name: str, doc: type, sections: Mapping[str, Sequence[Option]], **more: Any) -> None:  # noqa: ANN401 - click's
        self.sections = {title: [(option, _parameter(option)) for option in own] for title, own in sections.items()}
        params = [parameter for pairs in self.sections.values() for _, parameter in pairs]
        super().__init__(name, params=params, help=doc.__doc__, short_help=summary(doc), **more)
        self.form: Callable[[str], OptionsCommand | None] | None = None
        self.variants: tuple[Option, VariantParser] | None = None

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's
    ) -> click.Context:
        """The context of this command, or of the form of its argument that the first word names (``wait http``)."""
        at = self._first_argument(args)
        form = self.form(args[at]) if self.form and at is not None else None
        if form is None or at is None:
            return super().make_context(info_name, args, parent, **extra)
        return form.make_context(f"{info_name} {args[at]}", [*args[:at], *args[at + 1 :]], parent, **extra)

    def _first_argument(self, args: Sequence[str]) -> int | None:
        """Where the first word stands that is neither an option nor an option's value."""
        flags = {
            name: isinstance(p, click.Option) and p.is_flag for p in self.params for name in p.opts + p.secondary_opts
        }
        skip = False
        for i, word in enumerate(args):
            if skip:
                skip = False
            elif not word.startswith("-"):
                return i
            else:
                skip = "=" not in word and not flags.get(word, True)
        return None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section that has something."""
        for title, pairs in self.sections.items():
            arguments = [(option.metavar, option.help) for option, _ in pairs if option.positional]
            if arguments:
                with formatter.section("Arguments"):
                    formatter.write_dl(arguments)
            if arguments and self.variants:
                with formatter.section(f"Forms, each with options of its own (see {self.name} FORM --help)"):
                    formatter.write_dl(self._forms(self.variants[1].variants))
            records = [p.get_help_record(ctx) for option, p in pairs if not option.positional]
            if any(records):
                with formatter.section(title):
                    formatter.write_dl([record for record in records if record])

    def _forms(self, variants: Variants) -> list[tuple[str, str]]:
        loaded = {name: variants.load(name) for name in variants.names()}
        return [(name, summary(cls)) for name, cls in loaded.items() if cls is not None]

    def given(self, ctx: click.Context, title: str) -> Given:
        """What was typed for the options of a section, nested as their dataclass is."""
        found: Given = {}
        for option, parameter in self.sections[title]:
            value = ctx.params.get(parameter.name or "")
            if value is None or value == ():
                continue
            text: object = (
                list(value) if option.many else ("true" if value is True else "false" if value is False else value)
            )
            place: Any = found
            for group in option.path[:-1]:
                place = place.setdefault(group, {})
            place[option.key] = text
        return found


def _metavar(option: Option) -> str:
    name = f"{option.metavar}…" if option.many else option.metavar
    return name if option.required else f"[{name}]"


def _parameter(option: Option) -> click.Parameter:
    name = "_".join(option.path)
    if option.positional:
        return click.Argument([name], nargs=-1 if option.many else 1, required=False, metavar=_metavar(option))
    shown = option.shown_default()
    text = option.help + (f" [default: {shown}]" if shown and not option.is_flag else "")
    if option.is_flag:
        return click.Option([f"--{option.key}/--no-{option.key}", name], default=None, help=text)
    short = [f"-{option.short}"] if option.short else []
    return click.Option(
        [*short, f"--{option.key}", name],
        metavar=option.metavar,
        multiple=option.many,
        default=None,
        help=text,
        type=click.STRING,
    )


OWN, RETRY, GLOBAL = "Options", "Retry", "Global options"


def command_of(kind: str, cls: type[Declared], environ: Mapping[str, str], settings: Given) -> OptionsCommand:
    """The command of a dataclass, such as a kind of step; invoking it returns the dataclass."""

    @click.pass_context
    def callback(ctx: click.Context, /, **_: object) -> Declared:
        return _made(ctx, command, cls, Scope(kind, environ), settings)

    command = OptionsCommand(kind, cls, _sections(cls), callback=callback, epilog=_epilog(kind))
    command.form = lambda word: _form(kind, cls, word, environ, settings)
    command.variants = variants_of(cls)
    return command


def _form(
    kind: str, cls: type[Declared], name: str, environ: Mapping[str, str], settings: Given
) -> OptionsCommand | None:
    """The command of one named form of a kind's argument (``wait http``), or None where there is no such form."""
    found = variants_of(cls)
    variant = found[1].variants.named(name) if found else None
    if found is None or variant is None:
        return None
    position, _ = found
    title = f"Options of {name}"

    @click.pass_context
    def callback(ctx: click.Context, /, **_: object) -> Declared:
        given = {position.key: [{name: command.given(ctx, title)}]}
        return _made(ctx, command, cls, Scope(kind, environ), settings, given)

    sections = {title: options_of(variant)} | _sections(cls, but=position, own=getattr(variant, "pace", None))
    command = OptionsCommand(name, variant, sections, callback=callback, epilog=_epilog(kind, variant.__name__.lower()))
    return command


def variants_of(cls: type[Declared]) -> tuple[Option, VariantParser] | None:
    """The positional argument of a kind that comes in named forms, if it has one."""
    for option in options_of(cls):
        if option.positional and isinstance(option.parser, VariantParser):
            return option, option.parser
    return None


def _sections(cls: type[Declared], but: Option | None = None, own: object = None) -> dict[str, list[Option]]:
    """The options by section; `own` has defaults that a form of the argument puts in place of its kind's."""
    options = [
        option.but(default=getattr(own, option.path[-1], option.default))
        for option in options_of(cls)
        if option is not but
    ]
    return {
        OWN: [option for option in options if option.path[0] != "retry"],
        RETRY: [option for option in options if option.path[0] == "retry"],
        GLOBAL: list(options_of(Settings)),
    }


def _epilog(scope: str, form: str = "") -> str:
    whole = Scope(scope).variable("OPTION")
    if form:
        own = Scope(f"{scope}_{form}").variable("OPTION")
        whole = f"{own} (those of {form}) or {whole} (all others)"
    everywhere = Scope("").variable("OPTION")
    return (
        f"Every option can come from the environment as {whole}, global ones as {everywhere}; what is typed goes first."
    )


def _made(  # noqa: PLR0913, PLR0917 - the pieces of one call
    ctx: click.Context,
    command: OptionsCommand,
    cls: type[Declared],
    scope: Scope,
    settings: Given,
    more: Mapping[str, object] | None = None,
) -> Declared:
    settings.update(command.given(ctx, GLOBAL))
    given = {**command.given(ctx, OWN), **command.given(ctx, RETRY), **(more or {})}
    made: Declared = read(cls, given, scope, ctx.command_path)
    return made


def read(cls: type[Declared], given: Mapping[str, object], scope: Scope, place: str) -> Any:  # noqa: ANN401 - a `cls`
    """A `cls` of what was typed and of the environment.

    Raises:
        UsageError: with everything that is wrong.
    """
    try:
        return assemble(cls, given, scope)
    except Invalid as invalid:
        lines = [_spoken(cls, problem) for problem in invalid.problems]
        text = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} mistakes", *lines])
        raise UsageError(f"run {place}", text, f"see {place} --help") from invalid


def _spoken(cls: type[Declared], problem: Problem) -> str:
    """A problem with the option named as it is typed."""
    names = [str(part) for part in problem.path if not isinstance(part, int)]
    option = _option_at(cls, names)
    if option is None:
        return problem.message
    return f"{option.metavar if option.positional else f'--{option.key}'}: {problem.message}"


def _option_at(cls: type[Declared], names: Sequence[str]) -> Option | None:
    """The option that a path leads to: of the dataclass, or of one form of its positional argument."""
    known = {option.key: option for option in options_of(cls)}
    here = known.get(names[0]) if names else None
    if here is None or len(names) == 1:
        return known.get(names[-1]) if names else None
    found = variants_of(cls)
    form = found[1].variants.load(names[1]) if found else None
    return _option_at(form, names[2:]) if form else here


class CommandGroup(_PlainHelp, click.Group):
    """The top level: knows the names of all commands, and loads only the one that is asked for."""

    def __init__(self, names: Sequence[str], load: Callable[[str], click.Command], settings: Given) -> None:
        self._own = OptionsCommand("initkit", Settings, {GLOBAL: options_of(Settings)})
        self._names = list(names)
        self._load = load
        self._settings = settings
        version = click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            help="Show the version.",
            callback=_show_version,
        )
        super().__init__(
            "initkit",
            params=[*self._own.params, version],
            callback=self._global,
            help=_HELP,
            epilog=_TAIL,
            no_args_is_help=False,
        )

    def _global(self, **_: object) -> None:
        self._settings.update(self._own.given(click.get_current_context(), GLOBAL))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """All names."""
        return self._names

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """One command, loaded now.

        Raises:
            UsageError: there is no such command.
        """
        if cmd_name not in self._names:
            hint = did_you_mean(cmd_name, self._names).removeprefix("; ") or f"expected one of {', '.join(self._names)}"
            raise UsageError(f"run initkit {cmd_name}", "there is no such command", hint)
        return self._load(cmd_name)


def _show_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's
    if asked and not ctx.resilient_parsing:
        click.echo(f"initkit {__version__}")
        ctx.exit()


_HELP = """Do what has to be done before a pod's containers start.

Every step first looks, changes only what is not so yet, and may run again at any time.

Chain steps with --then; write -- COMMAND ARG... last to replace initkit by COMMAND once all succeeded.
"""
_TAIL = "Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 something would change (--check), 124 timed out."
