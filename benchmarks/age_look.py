"""Whom the drawn teeth take for a child, on photographs of faces whose age is known.

    python -m benchmarks.age_look FOLDER

The names of the pictures begin with age, sex and origin, such as ``26_1_3_name.jpg``, as in UTKFace. Other names count
as pictures of adults without a group.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from heygem_cli.face.geometry import Array, canonical_face, head_pose
from heygem_cli.face.outline import EVERYTHING
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.types import Frame
from heygem_cli.mesh.age_look import looks_like_child, nose_length
from heygem_cli.runtime import Settings

AGES = (2, 4, 7, 10, 13, 16, 20, 30, 40, 60, 200)
"""Where groups of ages begin, and the end of the last. Younger children have no teeth, or few."""
MARGIN = 0.25
"""What is added around a picture, relative to its size: many are cropped so closely that the chin is cut off."""
TURNED = 20.0
"""Degrees beyond which a head is turned too far."""


def main() -> None:
    """Print a table of groups."""
    parser = argparse.ArgumentParser(description="Measure whom the drawn teeth take for a child.")
    parser.add_argument("folder", type=Path, help="photographs, one face in each")
    groups: dict[str, list[tuple[float, bool]]] = {}
    for path, face in _faces(parser.parse_args().folder):
        for group in _groups(path.name):
            groups.setdefault(group, []).append((nose_length(face), looks_like_child(face)))
    print("| group | faces | nose, iris diameters | shortest | taken for children |\n|---|---|---|---|---|")
    for group, found in sorted(groups.items()):
        noses, children = np.array(found).T
        print(
            f"| {group} | {len(found)} | {noses.mean():.2f} ± {noses.std():.2f} | {noses.min():.2f} "
            f"| {int(children.sum())} ({100 * children.mean():.1f} %) |"
        )


def _faces(folder: Path) -> Iterator[tuple[Path, Array]]:
    """Yield the faces (478, 3) that look ahead, in the canonical frame."""
    tracker = FaceTracker("cpu", Settings())
    for path in sorted(folder.iterdir()):
        found = tracker.find_new(_read(path), [], EVERYTHING, tiled=False)
        if found:
            pose = head_pose(found[0], canonical_face())
            if max(abs(float(pose.yaw)), abs(float(pose.pitch))) < TURNED:
                yield path, pose.to_canonical(found[0])


def _read(path: Path) -> Frame:
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path}: not a picture")
    rows, columns = (int(MARGIN * length) for length in picture.shape[:2])
    padded = cv2.copyMakeBorder(picture, rows, rows, columns, columns, cv2.BORDER_REPLICATE)
    even = padded[: padded.shape[0] // 2 * 2, : padded.shape[1] // 2 * 2]
    return np.asarray(cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420), np.uint8)


def _groups(name: str) -> list[str]:
    match = re.match(r"(\d+)_[01]_([0-4])_", name)
    if not match:
        return ["adults"]
    age, origin = map(int, match.groups())
    if age < AGES[0]:
        return []
    number = np.searchsorted(AGES, age, side="right") - 1
    groups = [f"{AGES[number]:>3} to {AGES[number + 1] - 1} years"]
    return [*groups, f"origin {origin}, from 20 years"] if age >= 20 else groups


if __name__ == "__main__":
    main()
