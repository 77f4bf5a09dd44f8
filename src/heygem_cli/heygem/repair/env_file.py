"""heygem.env: the recommended environment variables, each marked with what it does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from heygem_cli.heygem.installation.start import Start
from heygem_cli.heygem.installation.variables import VARIABLES, Variable

NAME = Path("heygem.env")
NAMES = frozenset(variable.name for variable in VARIABLES)

_SHELL = "#   shell            set -a; . ./heygem.env; set +a;"
_HEADING = """\
# The environment of a HeyGem server, maintained by `heygem fix-config`. It has no effect until it is loaded:
{shell}#   docker run       --env-file heygem.env
#   docker compose   env_file: heygem.env
#   systemd          EnvironmentFile=/path/to/heygem.env
"""


def env_text(before: str, start: Start) -> str:
    """Set the variables in the text of a file, keeping all other lines except our own advice how to start HeyGem."""
    shell = f"{_SHELL} {start.program}\n" if start.command else ""
    text = before.replace(f"{_SHELL} python run.py --num_threads 0\n", shell) or _HEADING.format(shell=shell)
    for variable in sorted(VARIABLES, key=lambda each: not each.effective):
        text = _set(text, variable)
    return text


def _set(text: str, variable: Variable) -> str:
    name, value = variable.name, variable.recommended
    line = re.compile(rf"^([ \t]*(?:export[ \t]+)?{name}=)([^\r\n]*)", re.MULTILINE)
    if line.search(text):
        return line.sub(lambda match: match[0] if _shell_value(match[2]) == value else match[1] + value, text)
    newline = "\r\n" if "\r\n" in text else "\n"
    mark = "effective" if variable.effective else "kept for the operators' checklist"
    gap = "" if text.endswith(("\n", "\r")) else newline
    return f"{text}{gap}{newline}# {mark}: {variable.reader}{newline}{name}={value}{newline}"


def _shell_value(source: str) -> str:
    """Return the value as a shell parses it, without quotes and comments."""
    try:
        return next(iter(shlex.split(source, comments=True)), "")
    except ValueError:  # an unclosed quote
        return source
