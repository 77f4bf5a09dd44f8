"""Compare the converted face models with what MediaPipe computes with its own from the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import mediapipe
import numpy as np
import numpy.typing as npt
from mediapipe.python import CalculatorGraph, packet_creator, packet_getter
from mediapipe.python._framework_bindings import resource_util

from heygem_cli.face.geometry import Array
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.onnx import make_session
from heygem_cli.runtime import Settings

Picture = npt.NDArray[np.uint8]
Model = Callable[[Picture], list[Array]]

SIDE = 192
TILTS = (0, 30)
"""Degrees by which faces are rotated."""
FOUND = 0.3
"""Score from which on the detector's boxes are compared."""
EVERY = 15
"""Frames between two that are compared."""
FACE_SCALE = 1.5
"""Side of the picture of a face relative to the detector's box."""

_GRAPH = """
input_stream: "picture"
node {{
  calculator: "ImageToTensorCalculator" input_stream: "IMAGE:picture" output_stream: "TENSORS:input"
  options {{ [mediapipe.ImageToTensorCalculatorOptions.ext] {{
    output_tensor_width: 192 output_tensor_height: 192 output_tensor_float_range {{ min: {low} max: 1 }} }} }}
}}
node {{ calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operators" }}
node {{
  calculator: "InferenceCalculator" input_stream: "TENSORS:input" input_side_packet: "OP_RESOLVER:operators"
  output_stream: "TENSORS:tensors"
  options {{ [mediapipe.InferenceCalculatorOptions.ext] {{ model_path: "{model}" delegate {{ xnnpack {{}} }} }} }}
}}
node {{
  calculator: "SplitTensorVectorCalculator" input_stream: "tensors" {streams}
  options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }}
}}
{floats}
"""
_FLOATS = 'node {{ calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:t{0}" output_stream: "FLOATS:f{0}" }}'


def mediapipe_network(model: Path, low: float, outputs: int) -> Model:
    """Return a function that runs one of MediaPipe's networks in MediaPipe.

    Args:
        model: The path that MediaPipe knows it by.
        low: The value of black; that of white is 1.
        outputs: The number of outputs, which are returned flat.
    """
    resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))
    numbers = range(outputs)
    config = _GRAPH.format(
        low=low,
        model=model,
        streams=" ".join(f'output_stream: "t{number}"' for number in numbers),
        ranges=" ".join(f"ranges {{ begin: {number} end: {number + 1} }}" for number in numbers),
        floats="\n".join(_FLOATS.format(number) for number in numbers),
    )
    graph = CalculatorGraph(graph_config=config)
    results: dict[str, Array] = {}

    def collect(stream: str, packet: Any) -> None:  # noqa: ANN401
        results[stream] = np.array(packet_getter.get_float_list(packet), np.float32)

    for number in numbers:
        graph.observe_output_stream(f"f{number}", collect)
    graph.start_run()
    timestamps = iter(range(1, 1 << 30))

    def run(picture: Picture) -> list[Array]:
        image = packet_creator.create_image_frame(image_format=mediapipe.ImageFormat.SRGB, data=picture)
        graph.add_packet_to_input_stream("picture", image.at(next(timestamps)))
        graph.wait_until_idle()
        return [results[f"f{number}"] for number in numbers]

    return run


def onnx_network(path: Path) -> Model:
    """Return a function that runs a converted network."""
    session = make_session(path, "cpu", Settings(onnx_threads=1))
    return lambda picture: list(session.run(None, {"picture": picture[None]}))


def agreement(
    data: Path, models: Path, sources: Mapping[str, Path], regions: Sequence[Sequence[int]]
) -> dict[str, str]:
    """Compare both networks on clips and return a table for each.

    Args:
        data: Folder with ``grid/dev`` and, optionally, ``wild``.
        models: Folder of the converted networks.
        sources: MediaPipe's own, see :func:`mediapipe_network`.
        regions: The landmarks of the lips, the left and the right eye, in the order of MediaPipe's outputs.
    """
    detector, landmarks = (onnx_network(models / name) for name in ("face_detector.onnx", "face_landmarks.onnx"))
    detector_source = mediapipe_network(sources["face_detector.onnx"], -1, 2)
    landmarks_source = mediapipe_network(sources["face_landmarks.onnx"], 0, 7)
    found: list[tuple[Array, Array]] = []
    boxes: list[tuple[Array, Array]] = []
    tracked: list[tuple[Array, Array]] = []
    for frame in _frames(data):
        small, scale = _letterboxed(frame)
        (faces, scores), (raw, logits) = detector(small), detector_source(small)
        found.append((scores, _sigmoid(logits)))
        boxes.append((faces[scores > FOUND], _absolute(raw)[scores > FOUND]))
        center, size = faces[scores.argmax(), :2] / scale
        for tilt in TILTS:
            face = _rotated_crop(frame, center, FACE_SCALE * float(size.max()), tilt)
            (points, presence), theirs = landmarks(face), landmarks_source(face)
            tracked += [(points, _merged(theirs, regions)), (presence, _sigmoid(theirs[6]))]
    rows = {
        "face_detector.onnx": {"score": found, f"box and points, pixels, where the score is above {FOUND}": boxes},
        "face_landmarks.onnx": {"landmarks x, y, z, pixels": tracked[::2], "presence": tracked[1::2]},
    }
    return {name: _table(pairs) for name, pairs in rows.items()}


def _absolute(raw: Array) -> Array:
    """Return the detector's boxes and points (2304, 8, 2), which are relative to the centres of 48 × 48 cells."""
    rows, columns = 4 * (np.mgrid[:48, :48].reshape(2, -1) + 0.5)
    relative = np.array([1, 0, 1, 1, 1, 1, 1, 1])[:, None]  # all but the size
    return np.asarray(raw.reshape(-1, 8, 2) + np.stack([columns, rows], 1)[:, None] * relative, np.float32)


def _merged(outputs: Sequence[Array], regions: Sequence[Sequence[int]]) -> Array:
    """Return MediaPipe's landmarks (478, 3) from the outputs of the face mesh."""
    points = np.zeros((478, 3), np.float32)
    points[:468] = outputs[0].reshape(468, 3)
    for region, output in zip(regions, outputs[1:4], strict=True):
        points[list(region), :2] = output.reshape(-1, 2)
    for iris, eye, output in ((slice(468, 473), regions[1], outputs[4]), (slice(473, 478), regions[2], outputs[5])):
        points[iris, :2] = output.reshape(5, 2)
        points[iris, 2] = points[list(eye[:16]), 2].mean()
    return points


def _frames(data: Path) -> Iterator[Picture]:
    """Yield some frames of all clips as RGB."""
    clips = [path for folder in ("grid/dev", "wild") for path in sorted((data / folder).glob("*"))]
    for clip in clips:
        with closing(read_frames(probe_video(clip))) as frames:
            for frame in islice(frames, 0, None, EVERY):
                yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420), np.uint8)


def _letterboxed(frame: Picture) -> tuple[Picture, float]:
    """Return a picture with the whole frame in its upper left corner, and its scale."""
    scale = SIDE / max(frame.shape)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture[: small.shape[0], : small.shape[1]] = small
    return picture, scale


def _rotated_crop(frame: Picture, center: Array, side: float, tilt: float) -> Picture:
    matrix = cv2.getRotationMatrix2D((float(center[0]), float(center[1])), tilt, SIDE / side)
    matrix[:, 2] = matrix[:, 2] + SIDE / 2 - center
    return np.asarray(cv2.warpAffine(frame, matrix, (SIDE, SIDE)), np.uint8)


def _sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits.clip(-80, 80))), np.float32)


def _table(rows: Mapping[str, Sequence[tuple[Array, Array]]]) -> str:
    lines = ["| difference | pictures | mean | largest |", "|---|---|---|---|"]
    for name, pairs in rows.items():
        differences = np.abs(np.concatenate([(ours - theirs).ravel() for ours, theirs in pairs]))
        lines.append(f"| {name} | {len(pairs)} | {differences.mean():.1e} | {differences.max():.1e} |")
    return "\n".join(lines)
