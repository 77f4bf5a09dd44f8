"""Read the operators and weights of a TensorFlow Lite file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite
from flatbuffers import flexbuffers

Weights = npt.NDArray[Any]

_TYPES: dict[int, np.dtype[Any]] = {
    tflite.TensorType.FLOAT32: np.dtype("<f4"),
    tflite.TensorType.FLOAT16: np.dtype("<f2"),
    tflite.TensorType.INT32: np.dtype("<i4"),
}
_INDEX_TYPES = {
    tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
    tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
    tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
}
_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: The name in TensorFlow Lite's schema, or that of a custom operator.
        inputs: Numbers of tensors.
        outputs: Numbers of tensors.
        options: The table of its options; a dictionary for a custom operator.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


class TfliteFile:
    """A TensorFlow Lite file with one graph."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self.inputs: list[int] = self._graph.InputsAsNumpy().tolist()
        self.outputs: list[int] = self._graph.OutputsAsNumpy().tolist()

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        found = self._graph.Tensors(tensor)
        return tuple(found.ShapeAsNumpy().tolist()) if found.ShapeLength() else ()

    def operators(self) -> list[Operator]:
        """Return the operators in the order of execution."""
        return [self._operator(self._graph.Operators(index)) for index in range(self._graph.OperatorsLength())]

    def _operator(self, found: Any) -> Operator:  # noqa: ANN401
        code = self._model.OperatorCodes(found.OpcodeIndex())
        inputs, outputs = (tuple(tensors.tolist()) for tensors in (found.InputsAsNumpy(), found.OutputsAsNumpy()))
        if code.CustomCode():
            options = bytes(found.CustomOptionsAsNumpy()) if found.CustomOptionsLength() else None
            loaded = flexbuffers.Loads(options) if options else {}
            return Operator(code.CustomCode().decode(), inputs, outputs, loaded)
        kind = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        return Operator(kind, inputs, outputs, _options(kind, found.BuiltinOptions()))

    def weights(self, tensor: int) -> Weights | None:
        """Return the values of a constant tensor, dense; None for one that is computed."""
        found = self._graph.Tensors(tensor)
        data = self._model.Buffers(found.Buffer())
        if not data.DataLength():
            return None
        values = np.frombuffer(data.DataAsNumpy().tobytes(), _TYPES[found.Type()])
        sparsity = found.Sparsity()
        return values.reshape(self.shape(tensor)) if sparsity is None else _dense(values, sparsity, self.shape(tensor))


def _options(kind: str, table: Any) -> Any:  # noqa: ANN401
    """Return the options of a built-in operator as the type that belongs to it."""
    classes = {
        "CONV_2D": tflite.Conv2DOptions,
        "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
        "MAX_POOL_2D": tflite.Pool2DOptions,
        "ADD": tflite.AddOptions,
        "MUL": tflite.MulOptions,
        "RESIZE_BILINEAR": tflite.ResizeBilinearOptions,
        "DEPTH_TO_SPACE": tflite.DepthToSpaceOptions,
    }
    if kind not in classes:
        return None
    options = classes[kind]()
    options.Init(table.Bytes, table.Pos)
    return options


def _dense(values: Weights, sparsity: Any, shape: Sequence[int]) -> Weights:  # noqa: ANN401
    """Return the dense form of weights whose last dimension is stored as compressed sparse rows."""
    dimensions = [sparsity.DimMetadata(index) for index in range(sparsity.DimMetadataLength())]
    sparse = [dimension.Format() == tflite.DimensionType.SPARSE_CSR for dimension in dimensions]
    assert sparsity.TraversalOrderAsNumpy().tolist() == list(range(len(shape))) and not sparsity.BlockMapLength()
    assert sparse == [False] * (len(shape) - 1) + [True]
    last = dimensions[-1]
    segments = _indices(last.ArraySegmentsType(), last.ArraySegments())
    columns = _indices(last.ArrayIndicesType(), last.ArrayIndices())
    rows = np.repeat(np.arange(len(segments) - 1), np.diff(segments))
    dense = np.zeros((len(segments) - 1, shape[-1]), values.dtype)
    dense[rows, columns] = values[: len(columns)]
    return dense.reshape(shape)


def _indices(kind: int, table: Any) -> npt.NDArray[np.int64]:  # noqa: ANN401
    vector = _INDEX_TYPES[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64)
