"""Options that commands share, and the decorator that turns a function into a command.

Rule of this file: a command takes a group of options as one parameter (`account: Account`), and
typer sees the fields of the group. Output, logging, the event loop, errors and exit codes of all
commands are handled here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import partial
from inspect import Parameter, Signature, iscoroutinefunction, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import anyio
import typer
from anyio.lowlevel import current_token

from .._client.observing import Observer
from .._client.spawn import call_soon
from ..config import GatewaySettings
from ..known_sentences import retold
from ..languages import (
    LANGUAGES,
    language_called,
    language_from,
    language_written,
    say,
    speaking,
)
from ..session import AsyncSession
from ..stop_check import StopCheck
from .credentials import country_of, settings_of
from .exits import Exit
from .help import PlainCommand, SpeakingCommand, SpeakingGroup, reads_environment
from .output import Machines, Output, People
from .signals import SIGNALS

__all__ = [
    "Account",
    "Command",
    "Common",
    "Country",
    "ShowNumbers",
    "command",
    "language_asked",
    "stopping",
]

Command = Callable[..., Any]
"""A function, async or not, that takes the output and options, and returns an exit code or None."""

_Command = TypeVar("_Command", bound=Command)

Country = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Accept local numbers of this country, such as UA. Default: SMSGATE_COUNTRY.",
    ),
]

ShowNumbers = Annotated[
    bool, typer.Option("--show-numbers", help="Show phone numbers in full on the screen.")
]

_common = partial(typer.Option, rich_help_panel="Common options")
_account = partial(
    typer.Option, rich_help_panel="Account (login and password: environment, .env or a prompt)"
)


@dataclass(frozen=True, slots=True)
class Common:
    """Options of every command."""

    as_json: Annotated[
        bool,
        _common("--json", help="Print JSON instead of text."),
    ] = False
    verbose: Annotated[
        int,
        _common(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            metavar="",
            help="Log to standard error; -vv also logs HTTP.",
        ),
    ] = 0


@dataclass(frozen=True, slots=True)
class Reader:
    """The option of every command that speaks the language of its reader."""

    language: Annotated[
        str | None,
        _common(
            metavar="CODE",
            help=(
                "The language of the text: en or uk. Default: that of LANGUAGE, LC_ALL,"
                " LC_MESSAGES or LANG, otherwise en."
            ),
        ),
    ] = None

    def code(self) -> str:
        """Return the language: that of the option, or of the environment."""
        return self.language or language_from(os.environ)


@dataclass(frozen=True, slots=True)
class Account:
    """Options of every command that connects to the gateway."""

    url: Annotated[
        str | None,
        _account(metavar="URL", help="The URL of the gateway. Default: SMSGATE_URL, or TurboSMS."),
    ] = None
    concurrency: Annotated[
        int | None,
        _account(
            min=1,
            max=256,
            metavar="N",
            help=(
                "The number of requests in flight at the same time."
                " Default: SMSGATE_CONCURRENCY, or 4."
            ),
        ),
    ] = None
    account_concurrency: Annotated[
        int | None,
        _account(
            min=1,
            max=256,
            metavar="N",
            help=(
                "For campaigns in PostgreSQL: the maximum number of requests in flight on all"
                " machines together. Default: SMSGATE_ACCOUNT_CONCURRENCY, or no limit."
            ),
        ),
    ] = None
    env_file: Annotated[
        Path | None,
        _account(metavar="PATH", help="A file with SMSGATE_ variables. Default: .env."),
    ] = None

    secrets_dir: Annotated[
        Path | None,
        _account(metavar="PATH", help="A folder with secret files such as smsgate_password."),
    ] = None

    def session(
        self,
        observer: Observer | None = None,
        stop_list: StopCheck | None = None,
        **options: str | None,
    ) -> AsyncSession:
        """Return a session with these settings. May prompt for login and password.

        An option in `options` is required: if it is None, another source must have the setting.
        Raises `ValueError`.
        """
        return AsyncSession.from_settings(
            self.settings(**options), observer=observer, stop_list=stop_list
        )

    def settings(self, **options: str | None) -> GatewaySettings:
        """Return the settings. May prompt for login and password. Raises `ValueError`."""
        given = {
            name: getattr(self, name) for name in ("url", "concurrency", "account_concurrency")
        }
        return settings_of(self.env_file, self.secrets_dir, given, options)

    def country(self, given: str | None) -> str | None:
        """Return the country whose local numbers are accepted, None if none is set."""
        return given or country_of(self.env_file, self.secrets_dir)


def command(
    app: typer.Typer,
    *,
    name: str | None = None,
    sends: bool = False,
    changes: bool = False,
    serves: bool = False,
    speaks: bool = False,
    environment: str | None = None,
) -> Callable[[_Command], _Command]:
    """Register a function as a command of the same name, or of another `name`.

    The function takes the output first, then its options, and groups of options as dataclasses.
    `sends` means that the command sends messages, which changes the advice after an error.
    `changes` means that it does more than show something: it continues if its output cannot be
    written, and its exit code describes what it did. A command that sends always does. `serves`
    means that only a signal ends the command. `speaks` means that its text for people is in the
    language of the reader. With `environment`, each option is also a variable whose name begins
    with it.
    """
    of_class: type[PlainCommand] = SpeakingCommand if speaks else PlainCommand
    if environment is not None:
        of_class = reads_environment(environment)

    def register(function: _Command) -> _Command:
        hints = get_type_hints(function, include_extras=True)
        groups = {
            name: hint
            for name, hint in hints.items()
            if isinstance(hint, type) and is_dataclass(hint)
        }

        def run(**given: Any) -> int:
            common = _taken(Common, given)
            output = (Machines if common.as_json else People)(
                common.verbose, goes_on=sends or changes
            )
            reader = _taken(Reader, given) if speaks else None
            arguments = {name: _taken(group, given) for name, group in groups.items()}
            work = partial(function, output, **given, **arguments)
            SIGNALS.listen(serving=serves)
            SIGNALS.pipes_end(it=False)
            with ExitStack() as language, output.listening():
                try:
                    _speak(reader, output, language)
                    if SIGNALS.first:
                        SIGNALS.give_up()  # the first one was raised where Python drops exceptions
                    if iscoroutinefunction(function):
                        return anyio.run(_in_loop, work, output, partial(_end, output, sends))
                    return _end(output, sends, code=work())
                except ModuleNotFoundError:
                    raise
                except Exception as error:
                    return _end(output, sends, error)
                except BaseException:  # also in a group, if it was raised in a group of tasks
                    if not SIGNALS.raised:
                        raise
                    return _end(output, sends, output.interrupted())

        app.command(name, cls=of_class)(_described(run, function, hints, groups, speaks=speaks))
        return function

    return register


def _speak(reader: Reader | None, output: Output, until: ExitStack) -> None:
    """Speak the language of the reader. Raises `ValueError` if there is no such language."""
    if reader is None:
        return
    if isinstance(output, People):
        # An unknown language is refused in that of the environment.
        until.enter_context(speaking(_written(language_from(os.environ))))
    output.language = language_called(reader.code()).code
    if isinstance(output, People):
        until.enter_context(speaking(_written(output.language)))


def _written(code: str) -> str:
    """Return the language, or English if standard output cannot show its letters."""
    return language_written(code, getattr(sys.stdout, "encoding", None) or "utf-8")


def language_asked(arguments: Sequence[str], error: Exception) -> str:
    """Return the language in which to say that a command line is invalid.

    Args:
        arguments: the command line.
        error: why it is invalid. It knows the command, if there is one.
    """
    command = getattr(getattr(error, "ctx", None), "command", None)
    if not isinstance(command, SpeakingCommand | SpeakingGroup):
        return "en"
    given = [
        one.partition("=")[2] or next(iter(arguments[place : place + 1]), "")
        for place, one in enumerate(arguments, start=1)
        if one.partition("=")[0] == "--language"
    ]
    asked = given[-1] if given and given[-1] in LANGUAGES else language_from(os.environ)
    return _written(asked)


def _described(
    run: Any,
    function: Command,
    hints: Mapping[str, Any],
    groups: Mapping[str, type],
    *,
    speaks: bool,
) -> Command:
    """Give `run` the name, docstring and parameters that typer reads, with those of the groups."""
    _, *own = signature(function).parameters.values()
    parameters = [
        *(
            one.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[one.name])
            for one in own
            if one.name not in groups
        ),
        *(
            parameter
            for group in (*groups.values(), *([Reader] if speaks else []), Common)
            for parameter in _parameters(group)
        ),
    ]
    # Typer reads arguments in this order, and those of a group come before a command's own.
    of_groups = {parameter.name for group in groups.values() for parameter in _parameters(group)}
    parameters.sort(key=lambda one: not (one.name in of_groups and _is_argument(one)))
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    described: Command = run
    return described


async def _in_loop(
    work: Callable[[], Awaitable[int | None]], output: Output, end: Callable[..., int]
) -> int:
    """Await the work, and cancel it on a signal unless the work handles the signal itself.

    One more signal ends the loop, for work that does not end although it was cancelled.

    The end is shown before the loop closes, as closing may take long: a DNS lookup cannot be
    cancelled.
    """
    soon = partial(call_soon, current_token())
    try:
        with (
            anyio.CancelScope() as scope,
            SIGNALS.reacting(partial(soon, SIGNALS.give_up)),
            SIGNALS.reacting(partial(soon, scope.cancel)),
        ):
            return end(code=await work())
    except ModuleNotFoundError:
        raise
    except Exception as error:
        return end(error)
    return end(output.interrupted())


@contextmanager
def stopping(output: Output, stop: Callable[[], object], again: str) -> Iterator[None]:
    """Call `stop` on the first signal and say so. `again` explains the second one."""

    def gently() -> None:
        stop()
        waiting = say(
            "Stopping ({signal}): waiting for requests in flight.", signal=retold(SIGNALS.said)
        )
        output.note(f"{waiting} {again}")

    with SIGNALS.reacting(partial(call_soon, current_token(), gently)):
        yield


def _end(
    output: Output, sends: bool, error: Exception | None = None, *, code: int | None = None
) -> int:
    """Show how a command ended and return its exit code. After this, a signal ends the process."""
    with SIGNALS.telling():
        if error is not None and SIGNALS.raised:
            error = output.interrupted()
        code = output.end(error, code or Exit.DONE, sends=sends)
        SIGNALS.settled()
    return code


def _parameters(group: type) -> Iterator[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = Parameter.empty if field.default is MISSING else field.default
        yield Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
        )


def _is_argument(parameter: Parameter) -> bool:
    return any(isinstance(one, typer.models.ArgumentInfo) for one in get_args(parameter.annotation))


def _taken(group: type[Any], given: dict[str, Any]) -> Any:
    """Remove the values of a group of options from `given`, and return the group."""
    return group(**{field.name: given.pop(field.name) for field in fields(group)})
