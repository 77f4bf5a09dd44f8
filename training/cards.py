"""The cards beside the models: what they are made of, what they are for, how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from heygem_cli.runtime import sha256
from training.evaluate import Score, table

MODELS = ("canonical_face.npy", "mouth_motion.onnx")
TEMPLATES = Path(__file__).parent / "cards"
TITLES = {
    "grid/dev": "GRID clips that were not trained on (`grid/dev`), most of them of people who were not either",
    "wild": "TalkVid clips in several languages (`wild`, 24 fps; never trained on)",
}


def write_cards(models: Path, scores: Mapping[str, Sequence[Score]]) -> None:
    """Write a card for each model, and ``SHA256SUMS``.

    Args:
        models: the folder that holds the models.
        scores: of the mouth motion on each set of clips.
    """
    sums = {name: sha256(models / name) for name in MODELS}
    tables = "\n\n".join(f"{TITLES[name]}:\n\n{table(rows)}" for name, rows in scores.items())
    for name, digest in sums.items():
        card = f"{Path(name).stem}.md"
        text = (TEMPLATES / card).read_text(encoding="utf-8")
        size = f"{(models / name).stat().st_size:,}"
        filled = text.replace("{sha256}", digest).replace("{bytes}", size).replace("{tables}", tables)
        (models / card).write_text(filled, encoding="utf-8")
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (models / "SHA256SUMS").write_text(lines, encoding="utf-8")
