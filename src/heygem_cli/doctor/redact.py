"""Remove private data from a bug report: the user's name in paths, and secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

HIDDEN = "***"

_SECRET_NAMES = re.compile(r"(?:^|_)(?:token|secret|passw\w*|pass|\w*key|credentials?|auth)(?:_|$)", re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{HIDDEN}@"),
    (re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abp]-|AKIA)[\w-]{8,}"), HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"((?:\b|_)(?:token|secret|password|passwd|pwd|api_?key|access_?key|auth|signature|sig)[\"']?\s*[=:]\s*[\"']?)"
            r"[^\s&;,\"']*[^\s&;,\"':.]",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"/(?:home|Users)/[^/\s:'\",]+"), "~"),
)


def redact(text: str, user_home: Path, environment: Mapping[str, str]) -> str:
    """Replace home folders, credentials in URLs, tokens of known formats, and values of secret variables."""
    for name, value in environment.items():
        # Paths are not secret, as in SSH_AUTH_SOCK, and a shorter value may be a common word.
        if _SECRET_NAMES.search(name) and len(value) >= 6 and not value.startswith("/"):
            text = text.replace(value, HIDDEN)
    if str(user_home) not in ("/", ""):
        text = re.sub(rf"{re.escape(str(user_home))}(?![\w.-])", "~", text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
