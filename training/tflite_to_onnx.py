"""Convert the graph of a TensorFlow Lite file to ONNX.

Pictures are (1, channels, rows, columns) instead of (1, rows, columns, channels). Weights are stored as float16, as
MediaPipe's files do, and computed with as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from tflite import ActivationFunctionType, Padding

from training.tflite_file import Operator, TfliteFile, Weights

OPSET = 17


class Graph:
    """An ONNX graph in the making; tensors are referred to by their names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """Append a node and return the name of its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: npt.ArrayLike, kind: type = np.float32) -> str:
        """Append a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, kind), name))
        return name

    def weights(self, values: Weights) -> str:
        """Append weights, which are stored as float16, and return their name as float32."""
        assert (values == values.astype(np.float16)).all()
        return self.add("Cast", self.constant(values, np.float16), to=TensorProto.FLOAT)

    def reshape(self, tensor: str, *shape: int) -> str:
        """Append a node that reshapes a tensor."""
        return self.add("Reshape", tensor, self.constant(shape, np.int64))

    def slice(self, tensor: str, axis: int, first: int, last: int) -> str:
        """Append a node that returns the part from ``first`` to before ``last`` along an axis."""
        return self.add("Slice", tensor, *(self.constant([value], np.int64) for value in (first, last, axis)))

    def save(
        self,
        path: Path,
        inputs: Mapping[str, tuple[int, Sequence[int]]],
        outputs: Mapping[str, tuple[str, Sequence[int]]],
    ) -> None:
        """Check and write the graph.

        Args:
            path: The new file.
            inputs: Name → (type, shape).
            outputs: Name → (tensor of the graph, shape).
        """
        for name, (tensor, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
        computed = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, path.stem, given, computed, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="heygem")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


class Conversion:
    """The conversion of one file into a graph.

    Args:
        source: The file.
        graph: Where its nodes are appended.
        picture: The tensor that stands for its input.
        skip: Tensors that nothing needs; the operators that only they depend on are left out.
    """

    def __init__(self, source: TfliteFile, graph: Graph, picture: str, skip: Sequence[int] = ()) -> None:
        self.source = source
        self.graph = graph
        self.names = {source.inputs[0]: picture}
        self._constants: dict[int, Weights] = {}
        self._padding: dict[int, tuple[int, int, int, int]] = {}
        operators = source.operators()
        needed = {tensor for tensor in source.outputs if tensor not in skip}
        for operator in reversed(operators):
            if needed.intersection(operator.outputs):
                needed.update(operator.inputs)
        for operator in operators:
            if needed.intersection(operator.outputs):
                self._convert(operator)

    def constant(self, tensor: int) -> Weights:
        """Return the values of a constant tensor."""
        found = self._constants.get(tensor)
        found = self.source.weights(tensor) if found is None else found
        assert found is not None
        return found

    def _convert(self, operator: Operator) -> None:
        if operator.kind in {"DEQUANTIZE", "DENSIFY"}:
            self._constants[operator.outputs[0]] = self.constant(operator.inputs[0])
            return
        if operator.kind == "PAD" and self._pads_picture(operator):
            return
        output = _CONVERTERS[operator.kind](self, operator)
        activation = getattr(operator.options, "FusedActivationFunction", lambda: ActivationFunctionType.NONE)()
        assert activation in {ActivationFunctionType.NONE, ActivationFunctionType.RELU}
        self.names[operator.outputs[0]] = (
            self.graph.add("Relu", output) if activation == ActivationFunctionType.RELU else output
        )

    def _pads_picture(self, operator: Operator) -> bool:
        """Leave padding of rows and columns to the convolution that follows."""
        before, after = self.constant(operator.inputs[1]).T.tolist()
        if before[3] or after[3]:
            return False
        self.names[operator.outputs[0]] = self.names[operator.inputs[0]]
        self._padding[operator.outputs[0]] = (before[1], before[2], after[1], after[2])
        return True

    def padding(self, operator: Operator, kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
        """Return the padding of a convolution or a pooling: rows and columns before, then after."""
        picture = operator.inputs[0]
        if operator.options.Padding() == Padding.VALID:
            return list(self._padding.get(picture, (0, 0, 0, 0)))
        assert picture not in self._padding
        sides = self.source.shape(picture)[1:3]
        totals = [
            max(0, (-(-side // stride) - 1) * stride + size - side)
            for side, size, stride in zip(sides, kernel, strides, strict=True)
        ]
        return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def _convolution(conversion: Conversion, operator: Operator) -> str:
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    kernels = conversion.constant(operator.inputs[1]).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    strides = [operator.options.StrideH(), operator.options.StrideW()]
    return conversion.graph.add(
        "Conv",
        conversion.names[operator.inputs[0]],
        conversion.graph.weights(kernels),
        conversion.graph.weights(conversion.constant(operator.inputs[2])),
        kernel_shape=kernels.shape[2:],
        strides=strides,
        pads=conversion.padding(operator, kernels.shape[2:], strides),
        group=len(kernels) if depthwise else 1,
    )


def _pool(conversion: Conversion, operator: Operator) -> str:
    options = operator.options
    kernel, strides = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
    pads = conversion.padding(operator, kernel, strides)
    picture = conversion.names[operator.inputs[0]]
    return conversion.graph.add("MaxPool", picture, kernel_shape=kernel, strides=strides, pads=pads)


def _prelu(conversion: Conversion, operator: Operator) -> str:
    # As s * x + (1 - s) * Relu(x): ONNX Runtime's fast memory layout on CPUs has no PRelu, and converting there and
    # back takes longer.
    graph, picture = conversion.graph, conversion.names[operator.inputs[0]]
    values = conversion.constant(operator.inputs[1]).reshape(-1, 1, 1, 1)
    slopes = graph.weights(values)
    rest = graph.add("Sub", graph.constant([1.0]), slopes)
    scaled = graph.add("Conv", picture, slopes, group=len(values))
    if (values <= 1).all():  # Relu((1 - s) * x) is the same then, and is computed with the convolution
        positive = graph.add("Relu", graph.add("Conv", picture, rest, group=len(values)))
    else:
        positive = graph.add("Conv", graph.add("Relu", picture), rest, group=len(values))
    return graph.add("Add", scaled, positive)


def _pad_channels(conversion: Conversion, operator: Operator) -> str:
    before, after = conversion.constant(operator.inputs[1]).T
    pads = conversion.graph.constant([*before[[0, 3, 1, 2]], *after[[0, 3, 1, 2]]], np.int64)
    return conversion.graph.add("Pad", conversion.names[operator.inputs[0]], pads)


def _add(conversion: Conversion, operator: Operator) -> str:
    return conversion.graph.add("Add", *(conversion.names[tensor] for tensor in operator.inputs))


def _multiply(conversion: Conversion, operator: Operator) -> str:
    factor = conversion.constant(operator.inputs[1])
    if factor.shape == (1, 4, 4):  # of a region's matrix, see _region_matrix
        factor = factor[0, :2, [0, 1, 3]]
    return conversion.graph.add("Mul", conversion.names[operator.inputs[0]], conversion.graph.weights(factor))


def _resize(conversion: Conversion, operator: Operator) -> str:
    assert operator.options.HalfPixelCenters() and not operator.options.AlignCorners()
    _, rows, columns, channels = conversion.source.shape(operator.outputs[0])
    sizes = conversion.graph.constant([1, channels, rows, columns], np.int64)
    picture = conversion.names[operator.inputs[0]]
    mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return conversion.graph.add("Resize", picture, "", "", sizes, **mode)


def _depth_to_space(conversion: Conversion, operator: Operator) -> str:
    picture, size = conversion.names[operator.inputs[0]], operator.options.BlockSize()
    return conversion.graph.add("DepthToSpace", picture, blocksize=size, mode="DCR")


def _reshape(conversion: Conversion, operator: Operator) -> str:
    tensor, source = conversion.names[operator.inputs[0]], conversion.source
    if len(source.shape(operator.inputs[0])) == 4:
        tensor = conversion.graph.add("Transpose", tensor, perm=(0, 2, 3, 1))
    return conversion.graph.reshape(tensor, *source.shape(operator.outputs[0]))


def _slice_nothing(conversion: Conversion, operator: Operator) -> str:
    assert conversion.source.shape(operator.inputs[0]) == conversion.source.shape(operator.outputs[0])
    return conversion.names[operator.inputs[0]]


def _region_matrix(conversion: Conversion, operator: Operator) -> str:
    """Compute the matrix (3, 2) from positions (x, y, 1) in a square region around some points to the picture.

    The region is upright along the line between two of the points, and larger than the box of all of them. TensorFlow
    Lite has the matrix as (4, 4), transposed.
    """
    graph, options = conversion.graph, operator.options
    assert options["target_rotation_radians"] == 0 and options["output_width"] == options["output_height"]
    side = float(options["output_width"])

    def select(points: Sequence[int]) -> str:
        indices = graph.constant([[(point, 0), (point, 1)] for point in points], np.int64)
        return graph.add("GatherND", graph.add("Squeeze", landmarks, graph.constant([0], np.int64)), indices)

    landmarks = conversion.names[operator.inputs[0]]
    points = select(options["subset_idxs"])
    line = select([options["left_rotation_idx"], options["right_rotation_idx"]])
    # The rotation's columns are the direction of the line and its normal.
    along = graph.add("MatMul", graph.constant([[-1, 1]]), line)
    direction = graph.add("Div", along, graph.add("ReduceL2", along, axes=[1]))
    normal = graph.add("MatMul", direction, graph.constant([[0, 1], [-1, 0]]))
    rotation = graph.add("Concat", direction, normal, axis=0)
    upright = graph.add("MatMul", points, graph.add("Transpose", rotation))
    low, high = graph.add("ReduceMin", upright, axes=[0]), graph.add("ReduceMax", upright, axes=[0])
    factors = graph.constant([[options["scale_x"] / side, options["scale_y"] / side]])
    scale = graph.add("Mul", graph.add("Sub", high, low), factors)
    middle = graph.add("Mul", graph.add("Add", high, low), graph.constant([[0.5, 0.5]]))
    corner = graph.add("Sub", middle, graph.add("Mul", scale, graph.constant([[side / 2, side / 2]])))
    axes = graph.add("Mul", rotation, graph.add("Transpose", scale))
    return graph.add("Concat", axes, graph.add("MatMul", corner, rotation), axis=0)


def _sample_region(conversion: Conversion, operator: Operator) -> str:
    graph = conversion.graph
    size, source = operator.options["output_width"], conversion.source.shape(operator.inputs[0])[1]
    rows, columns = np.mgrid[:size, :size].reshape(2, -1) + 0.5
    centers = graph.constant(np.stack([columns, rows, np.ones_like(rows)], 1))
    positions = graph.add("MatMul", centers, conversion.names[operator.inputs[1]])
    relative = graph.add("Sub", graph.add("Mul", positions, graph.constant([2 / source])), graph.constant([1.0]))
    grid = graph.reshape(relative, 1, size, size, 2)
    picture = conversion.names[operator.inputs[0]]
    sampled = graph.add("GridSample", picture, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
    # Beyond the centres of the outer pixels everything is zero.
    farthest = graph.add("ReduceMax", graph.add("Abs", relative), axes=[1])
    inside = graph.add("LessOrEqual", farthest, graph.constant([1 - 1 / source]))
    mask = graph.reshape(graph.add("Cast", inside, to=TensorProto.FLOAT), size, size)
    return graph.add("Mul", sampled, mask)


def _region_points(conversion: Conversion, operator: Operator) -> str:
    graph = conversion.graph
    points, matrix = (conversion.names[tensor] for tensor in operator.inputs)
    axes, corner = graph.slice(matrix, 0, 0, 2), graph.slice(matrix, 0, 2, 3)
    return graph.add("Add", graph.add("MatMul", points, axes), corner)


_CONVERTERS: dict[str, Callable[[Conversion, Operator], str]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MAX_POOL_2D": _pool,
    "PRELU": _prelu,
    "PAD": _pad_channels,
    "ADD": _add,
    "MUL": _multiply,
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _slice_nothing,
    "Landmarks2TransformMatrix": _region_matrix,
    "TransformTensorBilinear": _sample_region,
    "TransformLandmarks": _region_points,
}
