"""heygem.env: the six variables of the operators' note, each marked with what it does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from heygem_cli.heygem.installation.variables import VARIABLES, Variable

NAME = Path("heygem.env")

_HEADING = """\
# The environment of a HeyGem server, kept by `heygem fix-config`. It does nothing until it is loaded:
#   shell            set -a; . ./heygem.env; set +a; python run.py --num_threads 0
#   docker run       --env-file heygem.env
#   docker compose   env_file: heygem.env
#   systemd          EnvironmentFile=/path/to/heygem.env
"""


def env_text(before: str) -> str:
    """Set the six variables in a file that may have other lines; those stay as they are."""
    text = before or _HEADING
    for variable in sorted(VARIABLES, key=lambda each: not each.effective):
        text = _set(text, variable)
    return text


def _set(text: str, variable: Variable) -> str:
    line = re.compile(rf"^([ \t]*(?:export[ \t]+)?{variable.name}=)([^\r\n]*)", re.MULTILINE)
    if line.search(text):
        return line.sub(
            lambda match: match[0] if _value(match[2]) == variable.asked else match[1] + variable.asked, text
        )
    newline = "\r\n" if "\r\n" in text else "\n"
    mark = "effective" if variable.effective else "kept for the operators' checklist"
    gap = "" if text.endswith(("\n", "\r")) else newline
    return f"{text}{gap}{newline}# {mark}: {variable.truth}{newline}{variable.name}={variable.asked}{newline}"


def _value(written: str) -> str:
    """The value as a shell takes it: without quotes and without a comment behind it."""
    try:
        return next(iter(shlex.split(written, comments=True)), "")
    except ValueError:  # a quote that is never closed
        return written
