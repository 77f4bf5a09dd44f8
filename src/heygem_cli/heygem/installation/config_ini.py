"""Parse, check and edit config/config.ini."""

from __future__ import annotations

import codecs
import configparser
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import (
    check_folder,
    check_lines,
    check_regular,
    decode_utf8,
    exists,
    is_file,
    matches,
    path_problem,
    read_small,
    real_path,
    split_lines,
)
from heygem_cli.heygem.installation.tree import APP, CONFIG_INI, LOG, MODEL_FILES

KNOWN = {
    "log": ("log_dir", "log_file"),
    "http_server": ("server_ip", "server_port"),
    "temp": ("temp_dir", "clean_switch"),
    "result": ("result_dir", "clean_switch"),
    "digital": ("batch_size",),
    "model": ("blend_dynamic", "chaofen_before", "chaofen_after", "blur_threshold", "model_version"),
    "register": ("url", "report_interval", "enable"),
}
_NUMBERS = frozenset({"server_port", "clean_switch", "batch_size", "report_interval", "enable"})
_NOT_IN_SHELL = re.compile(r"[^\w./+@%:,=-]")
OWN_TEMP = "./heygem_temp"
"""The temp_dir that fix-config sets in place of a dangerous one."""
OFF = "0"

_SECTION = re.compile(r"\ufeff?[ \t]*\[([^\]\r\n]+)\]")
_SETTING = re.compile(
    r"(?P<head>[ \t]*(?P<key>[^\s#;:=\[][^:=\r\n]*?)[ \t]*[:=][ \t]*)(?P<value>[^\r\n]*?)(?P<tail>\s*)", re.ASCII
)


@dataclass(frozen=True)
class Config:
    """The values of config.ini by section and key, and whether the file begins with a byte-order mark."""

    values: dict[str, dict[str, str]]
    bom: bool

    def get(self, section: str, key: str) -> str | None:
        """Return a value; None means that HeyGem uses its default."""
        return self.values.get(section, {}).get(key)


def parse(data: bytes, path: Path) -> Config:
    """Parse config.ini as HeyGem does with configparser, except that a byte-order mark is accepted.

    Raises:
        InputError: The file is not UTF-8, not an INI file, or has a line that is too long.
    """
    check_lines(data, path)
    text = decode_utf8(data, path, "HeyGem").removeprefix("\ufeff")
    if "\0" in text:  # no path may contain it
        raise InputError("not-ini", "HeyGem cannot use it: it contains a zero byte", path=path, hint="Correct it")
    parser = configparser.ConfigParser()
    try:
        parser.read_file(io.StringIO(text, newline=None))  # a carriage return ends a line, too
        values = {section: dict(parser.items(section)) for section in parser.sections()}
    except configparser.Error as error:
        message = str(error).replace("\n", " ").replace("'<string>', ", "")
        raise InputError("not-ini", f"HeyGem cannot read it: {message}", path=path, hint="Correct it") from error
    return Config(values, data.startswith(codecs.BOM_UTF8))


def find_log(home: Path) -> Path:
    """Return the log that config.ini names, or that of the container; it need not exist."""
    try:
        config = parse(read_small(home / CONFIG_INI), home / CONFIG_INI)
    except InputError:
        config = Config({}, bom=False)
    path = log_path(home, config)
    others = [] if exists(path) else [each for each in matches(home / "data/log", "*.log") if is_file(each)]
    return max(others, key=lambda each: each.stat().st_mtime, default=path)


def log_path(home: Path, config: Config) -> Path:
    """Return the log that a configuration names; it need not exist."""
    return own_folder(home, config, "log") / (config.get("log", "log_file") or LOG.name)


def own_folder(home: Path, config: Config, section: str) -> Path:
    """Return the folder that HeyGem has for its ``log``, ``result`` or ``temp``; it need not exist."""
    return home / (config.get(section, f"{section}_dir") or section)


def unusable(home: Path, config: Config) -> list[InputError]:
    """Return why HeyGem cannot use its own folders or its log; what does not exist it creates."""
    folders = [path_problem(own_folder(home, config, section), check_folder) for section in ("log", "result", "temp")]
    found = [each for each in folders if each is not None]
    log = None if found else path_problem(log_path(home, config), check_regular)
    return found if log is None else [log]


def has_only_unknown_sections(config: Config) -> bool:
    """Return whether there are sections, and none is one that HeyGem reads."""
    return bool(config.values) and not config.values.keys() & KNOWN.keys()


def unknown_keys(config: Config) -> Iterator[str]:
    """Describe what HeyGem ignores: unknown sections, unknown keys, and keys in the wrong section."""
    for section, values in config.values.items():
        if section not in KNOWN:
            yield f"unknown section [{section}]"
            continue
        for key in values:
            sections = [name for name, keys in KNOWN.items() if key in keys]
            if not sections:
                yield f"unknown key {key} in [{section}]"
            elif section not in sections:
                yield f"{key} is in [{section}] instead of [{'] or ['.join(sections)}]"


def wrong_numbers(config: Config) -> Iterator[str]:
    """Describe what must be a number but is none, such as one with a comment behind it."""
    for section, values in config.values.items():
        for key, value in values.items():
            if key in _NUMBERS and not value.strip().isdecimal():
                yield f"[{section}] {key} = {value} is no number"


def unquotable(config: Config) -> str | None:
    """Return a setting with a folder that breaks HeyGem's shell commands, into which it goes unquoted; or None."""
    settings = [(f"{section}_dir", config.get(section, f"{section}_dir") or "") for section in ("temp", "result")]
    return next((f"{key} = {value}" for key, value in settings if _NOT_IN_SHELL.search(value)), None)


def endangered(home: Path, config: Config, user_home: Path) -> Path | None:
    """Return a path that must be kept but that HeyGem's recursive clean-up of temp_dir would delete, or None."""
    temp_dir = config.get("temp", "temp_dir")
    if temp_dir is None:
        return None
    temp = real_path(home / temp_dir)
    results = [own_folder(home, config, section) for section in ("log", "result")]
    parts = [Path(), APP, Path("run.py"), CONFIG_INI, Path("service"), *MODEL_FILES]
    keep = [*(home / part for part in parts), *results, user_home, Path("/tmp")]  # noqa: S108
    return next((each for each in keep if real_path(each).is_relative_to(temp)), None)


def cleans(config: Config) -> bool:
    """Return whether the clean-up is enabled."""
    return (config.get("temp", "clean_switch") or OFF).strip() != OFF


def set_value(text: str, section: str, key: str, value: str) -> str:
    """Change a value that the file sets, and keep every other character.

    Raises:
        ValueError: The key is not in the section, or its value has several lines.
    """
    lines = split_lines(text)
    current = ""
    for number, line in enumerate(lines):
        if heading := _SECTION.match(line):
            current = heading[1]
        match = _SETTING.fullmatch(line)
        if current == section and match and match["key"].lower() == key:
            if number + 1 < len(lines) and lines[number + 1][:1] in " \t" and lines[number + 1].strip():
                raise ValueError(f"the value of {key} has several lines")
            lines[number] = match["head"] + value + match["tail"]
            return "".join(lines)
    raise ValueError(f"[{section}] does not set {key}")
