"""Examples at the end of each command's ``--help``."""

from __future__ import annotations

EXAMPLES = {
    "render": (
        "heygem render speech.wav anna.mp4",
        "heygem render speech.wav photo.jpg -o videos/",
        "heygem render speech.m4a two-people.mp4 --person left --crf 16",
        "heygem render speech.wav interview.mp4 --person anna.jpg --timeline out.csv",
        "heygem render --speak 1=anna.wav --speak 2=ben.wav interview.mp4",
    ),
    "batch": (
        "heygem batch speech/*.wav --video anna.mp4 --output-dir out/",
        "heygem batch list.csv --dry-run",
        "heygem batch list.csv --retries 2 --report report.json",
        "heygem batch list.csv --shard 1/4",
    ),
    "faces": ("heygem faces interview.mp4", "heygem faces interview.mp4 --sheet faces.png"),
    "engines": ("heygem engines", "heygem engines --home ~/HeyGem-Linux-Python-Hack"),
    "doctor": (
        "heygem doctor",
        "heygem doctor --home ~/HeyGem-Linux-Python-Hack --require gpu --strict",
        "docker logs heygem 2>&1 | heygem doctor --log -",
    ),
    "fix-config": (
        "heygem fix-config --home ~/HeyGem-Linux-Python-Hack --dry-run",
        "heygem fix-config --home ~/HeyGem-Linux-Python-Hack --yes",
    ),
    "restart": ("heygem restart --home ~/HeyGem-Linux-Python-Hack --dry-run",),
    "serve": (
        "heygem serve",
        "heygem serve --host 0.0.0.0 --auth anna:secret",
        "heygem serve --api --token /etc/heygem/token",
        "heygem serve --engine heygem --home ~/HeyGem-Linux-Python-Hack",
    ),
}
"""The command lines, by command."""


def examples(command: str) -> str:
    """Return the examples of a command as the text that follows its options."""
    # \b keeps the lines of a paragraph.
    return "\b\n" + "\n".join(("Examples:", *(f"  {line}" for line in EXAMPLES[command])))
