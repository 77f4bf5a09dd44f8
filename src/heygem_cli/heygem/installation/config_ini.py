"""config/config.ini: what it says, what is wrong with it, and how to edit one value of it."""

from __future__ import annotations

import codecs
import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import split_lines
from heygem_cli.heygem.installation.tree import APP, CONFIG_INI, MODEL_FILES

KNOWN = {
    "log": ("log_dir", "log_file"),
    "http_server": ("server_ip", "server_port"),
    "temp": ("temp_dir", "clean_switch"),
    "result": ("result_dir", "clean_switch"),
    "digital": ("batch_size",),
    "model": ("blend_dynamic", "chaofen_before", "chaofen_after", "blur_threshold", "model_version"),
    "register": ("url", "report_interval", "enable"),
}
OWN_TEMP = "./heygem_temp"
"""Where fix-config moves a dangerous temp_dir: a folder that nothing else uses."""
OFF = "0"

_SECTION = re.compile(r"\ufeff?[ \t]*\[([^\]\r\n]+)\]")
_SETTING = re.compile(
    r"(?P<head>[ \t]*(?P<key>[^\s#;:=\[][^:=\r\n]*?)[ \t]*[:=][ \t]*)(?P<value>[^\r\n]*?)(?P<tail>\s*)", re.ASCII
)


@dataclass(frozen=True)
class Config:
    """What config.ini says: the values by section and key, and whether a byte-order mark stands before them."""

    values: dict[str, dict[str, str]]
    bom: bool

    def get(self, section: str, key: str) -> str | None:
        """A value; None where HeyGem takes its default without a word."""
        return self.values.get(section, {}).get(key)


def parse(data: bytes, path: Path) -> Config:
    """Read config.ini as HeyGem's configparser would, except that a byte-order mark is forgiven and noted.

    Raises:
        InputError: it is not UTF-8, or no INI file.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = f"Save it as UTF-8, e.g.: iconv -f GB18030 -t UTF-8 {path.name} > {path.name}.new"
        raise InputError("not-utf-8", "is not UTF-8, so HeyGem cannot read it", path=path, hint=hint) from error
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
        values = {section: dict(parser.items(section)) for section in parser.sections()}
    except configparser.Error as error:
        what = str(error).replace("\n", " ").replace("'<string>', ", "")
        raise InputError("not-ini", f"HeyGem cannot read it: {what}", path=path, hint="Correct that line") from error
    return Config(values, data.startswith(codecs.BOM_UTF8))


def strange_keys(config: Config) -> Iterator[str]:
    """Name what HeyGem never looks at: unknown sections, unknown keys, known keys in the wrong section."""
    for section, values in config.values.items():
        if section not in KNOWN:
            yield f"unknown section [{section}]"
            continue
        for key in values:
            homes = [name for name, keys in KNOWN.items() if key in keys]
            if not homes:
                yield f"unknown key {key} in [{section}]"
            elif section not in homes:
                yield f"{key} is in [{section}], belongs into [{'] or ['.join(homes)}]"


def endangered(home: Path, config: Config, user_home: Path) -> Path | None:
    """What the clean-up routine would delete, recursively, when it empties ``temp_dir``; None if that is its own."""
    named = config.get("temp", "temp_dir")
    if named is None:
        return None
    temp = (home / named).resolve()
    results = [config.get("result", "result_dir") or "result", config.get("log", "log_dir") or "log"]
    parts: list[str | Path] = [Path(), APP, Path("run.py"), CONFIG_INI, Path("service"), *MODEL_FILES, *results]
    keep = [*(home / part for part in parts), user_home, Path("/tmp")]  # noqa: S108
    return next((each for each in keep if each.resolve().is_relative_to(temp)), None)


def cleans(config: Config) -> bool:
    """Whether the clean-up routine is switched on."""
    return (config.get("temp", "clean_switch") or OFF).strip() != OFF


def set_value(text: str, section: str, key: str, value: str) -> str:
    """Set a value that stands in the file, and keep every other character.

    Raises:
        ValueError: the section has no line with this key, or a value of several lines.
    """
    lines = split_lines(text)
    here = ""
    for number, line in enumerate(lines):
        if heading := _SECTION.match(line):
            here = heading[1]
        match = _SETTING.fullmatch(line)
        if here == section and match and match["key"].lower() == key:
            if number + 1 < len(lines) and lines[number + 1][:1] in " \t" and lines[number + 1].strip():
                raise ValueError(f"{key} has a value of several lines")
            lines[number] = match["head"] + value + match["tail"]
            return "".join(lines)
    raise ValueError(f"[{section}] has no line with {key}")
