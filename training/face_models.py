"""Convert MediaPipe's face mesh and face detector to ONNX, and compare them with MediaPipe.

Usage: python -m training.face_models --data DIR

The networks come from the installed mediapipe package. DIR/grid/dev and DIR/wild contain the clips for the comparison.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from onnx import TensorProto

from heygem_cli.files import sha256
from heygem_cli.onnx import models_folder
from training.cards import write_card
from training.face_agreement import agreement
from training.tflite_file import TfliteFile
from training.tflite_to_onnx import Conversion, Graph

SIDE = 192
"""Pixels: rows and columns of the pictures that both networks take."""
CELL = 4
"""Pixels: rows and columns of the detector's cells."""
INPUTS = {"picture": (int(TensorProto.UINT8), (1, SIDE, SIDE, 3))}
SOURCES = {
    "face_landmarks.onnx": "face_landmark/face_landmark_with_attention.tflite",
    "face_detector.onnx": "face_detection/face_detection_full_range_sparse.tflite",
}
SOURCE_PATHS = {name: Path("mediapipe", "modules", path) for name, path in SOURCES.items()}
"""The paths by which MediaPipe knows them."""


def mediapipe_model(name: str) -> Path:
    """Return the path of one of MediaPipe's networks."""
    spec = find_spec("mediapipe")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "modules" / SOURCES[name]


def regions(source: TfliteFile) -> list[list[int]]:
    """Return the landmarks of the lips, the left and the right eye, which have outputs of their own."""
    operators = source.operators()
    return [list(found.options["subset_idxs"]) for found in operators if found.kind == "Landmarks2TransformMatrix"]


def convert_landmarks(source: TfliteFile, path: Path) -> None:
    """Convert the face mesh with attention.

    It has outputs for the whole face and more precise ones for lips, eyes and irises, which are merged here.
    """
    graph = Graph()
    conversion = Conversion(source, graph, _normalized(graph, zero=0, unit=255))
    mesh, *refined, presence = source.outputs
    lips, left_eye, right_eye = regions(source)
    coarse = graph.reshape(conversion.names[mesh], 468, 3)
    precise = [graph.reshape(conversion.names[tensor], -1, 2) for tensor in refined]
    every = graph.add("Concat", graph.slice(coarse, 1, 0, 2), *precise, axis=0)
    order = np.arange(478)
    replaced = [*lips, *left_eye, *right_eye]
    order[replaced] = 468 + np.arange(len(replaced))
    order[468:] = 468 + len(replaced) + np.arange(10)
    flat = graph.add("Gather", every, graph.constant(order, np.int64))
    # The points of an iris are as far away as the first 16 of its eye, the edge of the lids, on average.
    depth = graph.slice(coarse, 1, 2, 3)
    lids = graph.constant([left_eye[:16]] * 5 + [right_eye[:16]] * 5, np.int64)
    irises = graph.add("ReduceMean", graph.add("Gather", depth, lids), axes=[1], keepdims=0)
    landmarks = graph.add("Concat", flat, graph.add("Concat", depth, irises, axis=0), axis=1)
    present = graph.reshape(graph.add("Sigmoid", conversion.names[presence]), 1)
    graph.save(path, INPUTS, {"landmarks": (landmarks, (478, 3)), "presence": (present, (1,))})


def convert_detector(source: TfliteFile, path: Path) -> None:
    """Convert the full-range detector, whose boxes and points are relative to the centres of square cells."""
    graph = Graph()
    conversion = Conversion(source, graph, _normalized(graph, zero=127.5, unit=127.5))
    boxes, scores = source.outputs
    cells = SIDE // CELL
    rows, columns = CELL * (np.mgrid[:cells, :cells].reshape(2, -1) + 0.5)
    position = np.array([1, 0, 1, 1, 1, 1, 1, 1])[:, None]  # all but the size
    centers = graph.add("Mul", graph.constant(np.stack([columns, rows], 1)[:, None]), graph.constant(position))
    faces = graph.add("Add", graph.reshape(conversion.names[boxes], -1, 8, 2), centers)
    likely = graph.reshape(graph.add("Sigmoid", conversion.names[scores]), -1)
    graph.save(path, INPUTS, {"faces": (faces, (cells * cells, 8, 2)), "scores": (likely, (cells * cells,))})


def _normalized(graph: Graph, *, zero: float, unit: float) -> str:
    # Bytes are transposed in a tenth of the time that floats take.
    floats = graph.add("Cast", graph.add("Transpose", "picture", perm=(0, 3, 1, 2)), to=TensorProto.FLOAT)
    shifted = graph.add("Sub", floats, graph.constant([zero])) if zero else floats
    return graph.add("Mul", shifted, graph.constant([1 / unit]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert both networks and write their cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with grid/dev and, optionally, wild")
    data = parser.parse_args(arguments).data
    models = models_folder()
    sources = {name: TfliteFile(mediapipe_model(name)) for name in SOURCES}
    convert_landmarks(sources["face_landmarks.onnx"], models / "face_landmarks.onnx")
    convert_detector(sources["face_detector.onnx"], models / "face_detector.onnx")
    tables = agreement(data, models, SOURCE_PATHS, regions(sources["face_landmarks.onnx"]))
    for name in SOURCES:
        write_card(models / name, {}, {"{source}": sha256(mediapipe_model(name)), "{agreement}": tables[name]})


if __name__ == "__main__":
    main()
