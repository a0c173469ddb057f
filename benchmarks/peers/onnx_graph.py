"""A workload as an ONNX file, channels first."""

import numpy as np
from network import same_pads
from onnx import TensorProto, checker, helper, numpy_helper
from workloads import with_input_shapes

OPSET, IR_VERSION = 17, 9
OWN = "com.microsoft"  # where ONNX Runtime's attention is, projections in it
BLOCKS = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2)}  # of Keras' kernels, in the order of ONNX
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax"}


def graph_file(workload, weights, rows):
    """The network for so many rows as the bytes of an ONNX file."""
    graph = Graph()
    for (kind, shape, sizes), arrays in zip(with_input_shapes(workload), weights, strict=True):
        getattr(graph, kind)(shape, sizes, arrays)
    *sizes, channels = workload.shape
    shape = [channels, *sizes] if len(sizes) == 2 else [*sizes, channels]
    return graph.file(workload.name, [rows, *shape], [rows, workload.layers[-1][1]])


class Graph:
    """The nodes so far, one behind the other; a method for each kind of layer adds its own.

    The methods take the shape of an input without the batch, channels last, then the sizes of the layer and its arrays.

    Attributes
    ----------
    name : str
        The output of the last node.
    """

    def __init__(self):
        self.nodes, self.constants, self.kept, self.name = [], [], [], "x"
        self.flattened = None  # (h, w, c) of what was flattened: the rows of the next kernel are in that order

    def constant(self, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, kind, *inputs, unused=(), **attributes):
        """Append a node that takes the last output, then these inputs; unused outputs come before its own."""
        outputs = [*unused, f"n{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, [self.name, *inputs], outputs, **attributes))
        self.name = outputs[-1]

    def activate(self, activation):
        if activation:
            self.node(ACTIVATIONS[activation])

    def product(self, kernel, bias, axes):
        if axes == 1:
            self.node("Gemm", self.constant(kernel), self.constant(bias))
        else:
            self.node("MatMul", self.constant(kernel))
            self.node("Add", self.constant(bias))

    def file(self, name, input_shape, output_shape):
        self.nodes[-1].output[0] = "y"
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)
        graph = helper.make_graph(self.nodes, name, [x], [y], self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(OWN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        checker.check_model(model)
        return model.SerializeToString()

    # --- layers ------------------------------------------------------------------------------------
    def dense(self, shape, sizes, arrays):
        kernel, bias = arrays
        if self.flattened:
            kernel = kernel.reshape(*self.flattened, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
            self.flattened = None
        self.product(kernel, bias, len(shape))
        self.activate(sizes[1])

    def conv(self, shape, sizes, arrays):
        _, window, activation, padding, stride = sizes
        kernel, bias = self.constant(arrays[0].transpose(3, 2, 0, 1)), self.constant(arrays[1])
        pads = conv_pads(shape, window, stride) if padding == "same" else [0] * 4
        self.node("Conv", kernel, bias, kernel_shape=[window] * 2, strides=[stride] * 2, pads=pads)
        self.activate(activation)

    def depthwise(self, shape, sizes, arrays):
        window, stride = sizes
        kernel, bias = self.constant(arrays[0].transpose(2, 3, 0, 1)), self.constant(arrays[1])
        options = {"kernel_shape": [window] * 2, "strides": [stride] * 2, "pads": conv_pads(shape, window, stride)}
        self.node("Conv", kernel, bias, group=shape[2], **options)

    def attention(self, shape, sizes, arrays):
        kernel, bias, *output = attention_arrays(*arrays)
        self.node("Attention", self.constant(kernel), self.constant(bias), num_heads=sizes[0], domain=OWN)
        self.product(*output, len(shape))

    def lstm(self, shape, sizes, arrays, kind="lstm", **options):
        self.node("Transpose", perm=[1, 0, 2])  # elements before rows: the only layout that it runs
        matrices = [self.constant(array) for array in recurrent_arrays(kind, *arrays)]
        self.node(kind.upper(), *matrices, unused=[""], hidden_size=sizes[0], **options)
        self.node("Squeeze", self.constant(np.int64([0])))

    def gru(self, shape, sizes, arrays):
        self.lstm(shape, sizes, arrays, "gru", linear_before_reset=1)

    def pool(self, shape, sizes, arrays):
        self.node("MaxPool", kernel_shape=[sizes[0]] * 2, strides=[sizes[0]] * 2)

    def batch_norm(self, shape, sizes, arrays):
        self.node("BatchNormalization", *map(self.constant, arrays), epsilon=1e-3)

    def layer_norm(self, shape, sizes, arrays):
        self.node("LayerNormalization", *map(self.constant, arrays), epsilon=1e-3)

    def mean(self, shape, sizes, arrays):
        self.node("ReduceMean", axes=[2, 3] if len(shape) == 3 else [1], keepdims=0)

    def relu(self, shape, sizes, arrays):
        self.node("Relu")

    def flatten(self, shape, sizes, arrays):
        self.node("Flatten")
        self.flattened = shape

    def dropout(self, shape, sizes, arrays):
        """Nothing: this is inference."""

    def fork(self, shape, sizes, arrays):
        self.kept.append(self.name)

    def swap(self, shape, sizes, arrays):
        self.name, self.kept[-1] = self.kept[-1], self.name

    def add(self, shape, sizes, arrays):
        self.node("Add", self.kept.pop())


def recurrent_arrays(kind, kernel, recurrent, bias):
    """W, R and B as ONNX has them: one direction, blocks of units in its order, as rows."""
    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])

    def ordered(array):
        blocks = np.split(array, len(BLOCKS[kind]))
        return np.concatenate([blocks[i] for i in BLOCKS[kind]])

    return ordered(kernel.T)[None], ordered(recurrent.T)[None], np.concatenate([ordered(b) for b in biases])[None]


def attention_arrays(query, query_bias, key, key_bias, value, value_bias, output, output_bias):
    """The kernel of query, key and value side by side, their bias; the kernel of the output, its bias."""
    features = len(query)
    kernels = [kernel.reshape(features, -1) for kernel in (query, key, value)]
    biases = [bias.ravel() for bias in (query_bias, key_bias, value_bias)]
    return np.concatenate(kernels, 1), np.concatenate(biases), output.reshape(-1, features), output_bias


def conv_pads(shape, window, stride):
    """Of both axes before, then behind."""
    (above, below), (left, right) = same_pads(shape, window, stride)
    return [above, left, below, right]
