"""Model cards: what each model is made of, what it is for and how well it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from heygem_cli.files import sha256
from training.evaluate import Score, table

MODELS = (
    "canonical_face.npy",
    "mouth_motion.onnx",
    "mouth_painter.onnx",
    "face_cover.onnx",
    "face_landmarks.onnx",
    "face_detector.onnx",
    "head_motion.npz",
)
TEMPLATES = Path(__file__).parent / "cards"
TITLES = {
    "grid/dev": "GRID clips that were not used for training (`grid/dev`), most of them of speakers who were not either",
    "wild": "TalkVid clips in several languages (`wild`, 24 fps; never used for training)",
}


def write_cards(models: Path, scores: Mapping[str, Sequence[Score]]) -> None:
    """Write the cards of the mouth motion and of the canonical face, and ``SHA256SUMS``.

    Args:
        models: The folder of the models.
        scores: Scores of the mouth motion for each set of clips.
    """
    tables = {name: table(rows) for name, rows in scores.items()}
    for model in ("canonical_face.npy", "mouth_motion.onnx"):
        write_card(models / model, tables)


def write_card(model: Path, tables: Mapping[str, str], facts: Mapping[str, str] | None = None) -> None:
    """Write the card next to a model file, and update ``SHA256SUMS``.

    Args:
        model: The model file.
        tables: Its scores for each set of clips, in Markdown.
        facts: What replaces other placeholders in the card.
    """
    card = f"{model.stem}.md"
    titled = "\n\n".join(f"{TITLES[name]}:\n\n{rows}" for name, rows in tables.items())
    text = (TEMPLATES / card).read_text(encoding="utf-8")
    values = {"{sha256}": sha256(model), "{bytes}": f"{model.stat().st_size:,}", "{tables}": titled, **(facts or {})}
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    (model.parent / card).write_text(text, encoding="utf-8")
    lines = [f"{sha256(path)}  {path.name}\n" for name in MODELS if (path := model.parent / name).exists()]
    (model.parent / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
