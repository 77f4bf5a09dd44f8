"""Options from files: ``heygem.toml`` of the current folder, and ``config.toml`` of the user."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from heygem_cli.errors import InputError, did_you_mean
from heygem_cli.option_fields import Declared

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER_FILE = Path("heygem.toml")
USER_FILE_ONLY = frozenset({"home", "python", "conda_env", "container", "url", "maps"})
"""What these name is run, or gets the user's files: a folder that came from somebody else must not choose it."""
OTHER_VARIABLES = frozenset({"HEYGEM_CACHE_DIR", "HEYGEM_BATCH_RUN", "HEYGEM_FACE"})
"""Variables that set no option, and a former one."""

_PREFIX = "HEYGEM_"

Commands = Mapping[str, Mapping[str, Declared]]
"""The options that a file may set, by the name of their flag, for each command."""


@dataclass(frozen=True)
class Setting:
    """The value of an option as the command line would have it, and the file that says so."""

    value: Any
    file: Path


@dataclass(frozen=True)
class Config:
    """What the files say.

    Attributes:
        commands: What they could say.
        settings: By command, and name of the option's field.
        warnings: Names that nothing reads.
    """

    commands: Commands
    settings: Mapping[str, Mapping[str, Setting]]
    warnings: tuple[str, ...]

    def defaults(self) -> dict[str, dict[str, Any]]:
        """Return the values by command and name of the option's field."""
        return {
            name: {option: setting.value for option, setting in settings.items()}
            for name, settings in self.settings.items()
        }


def user_file() -> Path:
    """Return the path of the user's own file."""
    return user_config_path("heygem") / "config.toml"


def read_config(commands: Commands, environment: Mapping[str, str], flags: Collection[str] = ()) -> Config:
    """Read both files: the folder's comes before the user's, and a command's table before what stands above it.

    Args:
        commands: What they may set.
        environment: Variables that are named like those of options, but that nothing reads, are warned of, too.
        flags: Those of all options, also of those that nothing but the command line sets.

    Raises:
        InputError: A file cannot be read, or a value cannot be used.
    """
    settings: dict[str, dict[str, Setting]] = {name: {} for name in commands}
    warnings: list[str] = []
    for path in (user_file(), FOLDER_FILE):
        for table, key, value in _entries(_read(path), commands):
            flag = key.replace("_", "-")
            named = [table] if table else list(commands)
            found = {name: option for name in named if (option := commands[name].get(flag))}
            for name, option in found.items():
                settings[name][option.name] = Setting(_checked(option, value, path), path)
            if not found:
                known = [flag for name in named for flag in commands[name]]
                warnings.append(_unknown(path, table, key, known if table else [*known, *commands]))
    return Config(commands, settings, (*warnings, *_unknown_variables(environment, commands, flags)))


def _entries(content: Mapping[str, Any], commands: Commands) -> Iterator[tuple[str, str, Any]]:
    """Yield the table, empty above all tables, with key and value of each entry."""
    tables = {name: each for name, each in content.items() if name in commands and isinstance(each, dict)}
    yield from (("", key, value) for key, value in content.items() if key not in tables)
    for table, entries in tables.items():
        yield from ((table, key, value) for key, value in entries.items())


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():  # opening a pipe could block
            raise InputError("bad-config", "this is not a file", hint="Move it away", path=path)
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad writes the mark
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"it cannot be read ({error.strerror})"
        raise InputError("bad-config", message, hint="Make it readable, or move it away", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError("bad-config", "it is not UTF-8", hint="Save it as UTF-8", path=path) from error
    except (ValueError, RecursionError) as error:  # not TOML
        hint = 'Write lines such as crf = 20 or loop = "hold"'
        raise InputError("bad-config", f"it is not TOML ({error})", hint=hint, path=path) from error
    return content


def _checked(option: Declared, value: Any, path: Path) -> Any:  # noqa: ANN401 - as TOML has it
    """Return a value as the command line would have it.

    Raises:
        InputError: ``bad-config``: it cannot be used, or not in this file.
    """
    flag = option.flags[-1].removeprefix("--")
    if option.name in USER_FILE_ONLY and path == FOLDER_FILE:
        hint = f"Write it into {user_file()}, or use --{flag}"
        raise InputError("bad-config", f"{flag} cannot be set for a folder", hint=hint, path=path)
    if option.facts.parse is not None:
        value = [str(each) for each in value] if isinstance(value, list) else str(value)
    try:
        option.checked(value)
    except InputError as error:
        reason = error.message.removeprefix(f"{option.name}: ")
        raise InputError("bad-config", f"{flag}: {reason}", hint=error.hint, path=path) from error
    return [value] if option.repeated and not isinstance(value, list) else value


def _unknown(path: Path, table: str, key: str, known: list[str]) -> str:
    place = f"{path}: [{table}]" if table else f"{path}:"
    return f"{place} there is no option {key}. {did_you_mean(key, known, 'See heygem config show')}"


def _unknown_variables(environment: Mapping[str, str], commands: Commands, flags: Collection[str]) -> Iterator[str]:
    known = {each.variable for options in commands.values() for each in options.values() if each.variable}
    for name in environment:
        if name.startswith(_PREFIX) and name not in known | OTHER_VARIABLES:
            flag = "--" + name.removeprefix(_PREFIX).lower().replace("_", "-")
            near = did_you_mean(name, known, "See heygem config show", _PREFIX)
            hint = f"There is only the option {flag}" if flag in flags else near
            yield f"{name}: there is no such variable. {hint}"
