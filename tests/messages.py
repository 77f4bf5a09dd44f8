"""What commands print on standard error."""

import re

PROGRESS = re.compile(r"^[^:\n]+: \d+( of \d+)? (s|frames)\n", re.MULTILINE)


def without_progress(text: str) -> str:
    """Remove the lines in which a render that takes longer than ten seconds, on a busy machine, says how far it is."""
    return PROGRESS.sub("", text)
