"""An actor's arrays as an ONNX graph from a slot's arrays to the raw action."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from genedge.export.runner import NORM_EPSILON

# The first versions with layer normalisation as one operator; onnxruntime has read them since 1.12, of 2022.
OPSET, IR = 17, 8


class _Graph:
    """Nodes and constants as they are added; every call of `add` returns the name of what it computes."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.layers = sum(name.startswith("weight") for name in arrays)
        self.norms = "norm_gain0" in arrays
        self.constants = [numpy_helper.from_array(x.astype(np.float32), name) for name, x in arrays.items()]

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def integers(self, *values: int) -> str:
        name = "integers_" + "_".join(map(str, values))
        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def dense(self, x: str, weight: str, bias: str) -> str:
        return self.add("Add", self.add("MatMul", x, weight), bias)

    def total(self, x: str) -> str:
        """Sum over rows, kept as one row."""
        return self.add("ReduceSum", x, self.integers(0), keepdims=1)

    def column(self, x: str) -> str:
        return self.add("Unsqueeze", x, self.integers(1))

    def part(self, x: str, start: int, end: int, axis: int) -> str:
        return self.add("Slice", x, *map(self.integers, (start, end, axis)))

    def relu(self, x: str, i: int) -> str:
        """What follows hidden layer i."""
        if self.norms:
            x = self.add("LayerNormalization", x, f"norm_gain{i}", f"norm_shift{i}", epsilon=NORM_EPSILON)
        return self.add("Relu", x)


def onnx_model(arrays: Mapping[str, np.ndarray], models: int, places: int | None) -> bytes:
    """The graph as the bytes of an ONNX file.

    Its inputs are those of the lines of `genedge slots`: skew, requests, input_bits, channel_gain, active. Its
    output `action` holds M priorities, N bandwidth values and N step values.

    Args:
        arrays: of the actor, from `mlp_arrays` or `equivariant_arrays`.
        models: M.
        places: N, to which slots must be filled up with inactive places; None for any number.
    """
    graph = _Graph(arrays)
    bits = graph.add("Sub", "input_bits", "input_bits0")
    gain = graph.add("Sub", graph.add("Log", "channel_gain"), "log_gain0")
    skew = graph.add("Sub", "skew", "skew0")
    before = (
        _equivariant(graph, skew, bits, gain, models)
        if places is None
        else _mlp(graph, skew, bits, gain, models, places)
    )
    graph.nodes.append(helper.make_node("Tanh", [before], ["action"]))

    users = "users" if places is None else places
    length = None if places is None else models + 2 * places
    inputs = [
        helper.make_tensor_value_info("skew", TensorProto.FLOAT, [], "skew of the popularity"),
        helper.make_tensor_value_info(
            "requests", TensorProto.INT64, [users], "index of the model asked for, from 0"
        ),
        helper.make_tensor_value_info("input_bits", TensorProto.FLOAT, [users], "size of the request [bit]"),
        helper.make_tensor_value_info("channel_gain", TensorProto.FLOAT, [users], "power gain, linear; above 0"),
        helper.make_tensor_value_info("active", TensorProto.BOOL, [users], "whether there is a user at this place"),
    ]
    output = helper.make_tensor_value_info("action", TensorProto.FLOAT, [length], "raw action, from -1 to 1")
    model = helper.make_model(
        helper.make_graph(graph.nodes, "actor", inputs, [output], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="genedge",
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _mlp(graph: _Graph, skew: str, bits: str, gain: str, models: int, places: int) -> str:
    first = numpy_helper.from_array(np.arange(places, dtype=np.int64) * models, "first_of_place")
    graph.constants.append(first)
    # The last row of `asked` is zero.
    asks = graph.add(
        "Where", "active", graph.add("Add", "requests", "first_of_place"), graph.integers(places * models)
    )
    weight = graph.add("Cast", "active", to=TensorProto.FLOAT)
    x = graph.dense(graph.add("Mul", weight, gain), "gain_slope", "bias")
    x = graph.add("Add", x, graph.add("MatMul", graph.add("Mul", weight, bits), "input_bits_slope"))
    x = graph.add("Add", x, graph.add("Mul", skew, "skew_slope"))
    x = graph.add(
        "Add", x, graph.add("ReduceSum", graph.add("Gather", "asked", asks), graph.integers(0), keepdims=0)
    )
    for i in range(graph.layers):
        x = graph.dense(graph.relu(x, i), f"weight{i + 1}", f"bias{i + 1}")
    return x


def _equivariant(graph: _Graph, skew: str, bits: str, gain: str, models: int) -> str:
    # The last row is nobody's.
    requests = graph.add("Where", "active", "requests", graph.integers(models))
    asks = graph.add("Gather", "asks", requests)
    count = graph.add("Cast", graph.total(graph.add("Cast", "active", to=TensorProto.INT64)), to=TensorProto.FLOAT)
    alike = graph.add("Concat", graph.add("Unsqueeze", skew, graph.integers(0)), count, axis=0)
    own = graph.add("Concat", graph.column(gain), graph.column(bits), axis=1)
    x = graph.add("Add", graph.add("MatMul", own, "user_own"), graph.add("MatMul", alike, "user_alike"))
    x = graph.relu(graph.add("Add", x, graph.add("Gather", "asked", requests)), 0)
    x = graph.add("Mul", x, graph.column(graph.add("Cast", "active", to=TensorProto.FLOAT)))

    said = graph.add("MatMul", graph.add("Transpose", asks, perm=[1, 0]), x)
    y = graph.dense(graph.part(said, 0, models, 0), "askers", "own")
    y = graph.add("Add", y, graph.add("MatMul", graph.part(said, models, models + 1, 0), "everyone"))
    y = graph.relu(y, 1)
    together = graph.dense(graph.total(y), "catalogue", "model_again_bias")
    y = graph.relu(graph.add("Add", graph.add("MatMul", y, "model_again"), together), 2)

    cell = graph.dense(graph.total(y), "cell", "user_again_bias")
    answers = graph.add("Concat", graph.dense(y, "answer", "answer_bias"), cell, axis=0)
    x = graph.add("Add", graph.add("MatMul", x, "user_again"), graph.add("MatMul", asks, answers))
    x = graph.relu(x, 3)
    x = graph.relu(graph.dense(x, "user_last", "user_last_bias"), 4)
    y = graph.relu(graph.dense(y, "model_last", "model_last_bias"), 5)
    of_users = graph.add("Transpose", graph.dense(x, "user_out", "user_out_bias"), perm=[1, 0])
    flat = [
        graph.add("Reshape", of, graph.integers(-1))
        for of in (graph.dense(y, "model_out", "model_out_bias"), of_users)
    ]
    return graph.add("Concat", *flat, axis=0)
