"""ONNX Runtime: inference on its CPU provider, with all its graph optimisations, channels first as its files are."""

import numpy as np
import onnxruntime
from network import same_pads
from onnx import TensorProto, checker, helper, numpy_helper
from workloads import with_input_shapes

VERSION = onnxruntime.__version__
OPSET, IR_VERSION = 17, 9
OWN = "com.microsoft"  # where its attention is, projections in it
BLOCKS = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2)}  # of Keras' kernels, in the order of ONNX
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax"}


class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        self.workload, self.weights, self.threads = workload, weights, threads
        self.sessions = {}
        self.session, batch = self._session(x[: workload.batch])
        self.binding = self.session.io_binding()
        self.result = np.empty((workload.batch, workload.layers[-1][1]), np.float32)
        self.binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(batch))
        self.binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(self.result))

    def _session(self, x):
        """The session for so many rows, and the rows as it wants them."""
        if len(x) not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
            content = graph_file(self.workload, self.weights, len(x))
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            rows = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x
            self.sessions[len(x)] = session, rows
        return self.sessions[len(x)]

    def forward(self, count):
        """Input and output stay where they are."""
        for _ in range(count):
            self.session.run_with_iobinding(self.binding)
        return self.binding.copy_outputs_to_cpu()[0]

    def predict(self, count, x):
        session, rows = self._session(x)
        for _ in range(count):
            (result,) = session.run(None, {"x": rows})
        return result


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


def graph_file(workload, weights, rows):
    """The network for so many rows as the bytes of an ONNX file."""
    nodes, constants, name, kept = [], [], "x", []

    def constant(array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(constants)}"))
        return constants[-1].name

    def node(kind, *inputs, unused=(), **attributes):
        """The name of the first output but for the unused ones."""
        outputs = [*unused, f"n{len(nodes)}"]
        nodes.append(helper.make_node(kind, [name, *inputs], outputs, **attributes))
        return outputs[-1]

    def product(kernel, bias, axes):
        nonlocal name
        if axes == 1:
            return node("Gemm", constant(kernel), constant(bias))
        name = node("MatMul", constant(kernel))
        return node("Add", constant(bias))

    flattened = None  # (h, w, c) of what was flattened: the rows of the next kernel are in that order
    for (kind, shape, sizes), arrays in zip(with_input_shapes(workload), weights, strict=True):
        activation = None
        if kind == "dense":
            kernel, bias = arrays
            if flattened:
                kernel = kernel.reshape(*flattened, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
                flattened = None
            name, activation = product(kernel, bias, len(shape)), sizes[1]
        elif kind == "conv":
            _, window, activation, padding, stride = sizes
            kernel, bias = constant(arrays[0].transpose(3, 2, 0, 1)), constant(arrays[1])
            pads = conv_pads(shape, window, stride) if padding == "same" else [0] * 4
            name = node("Conv", kernel, bias, kernel_shape=[window] * 2, strides=[stride] * 2, pads=pads)
        elif kind == "depthwise":
            window, stride = sizes
            kernel, bias = constant(arrays[0].transpose(2, 3, 0, 1)), constant(arrays[1])
            options = {"kernel_shape": [window] * 2, "strides": [stride] * 2, "pads": conv_pads(shape, window, stride)}
            name = node("Conv", kernel, bias, group=shape[2], **options)
        elif kind == "attention":
            kernel, bias, *output = attention_arrays(*arrays)
            name = node("Attention", constant(kernel), constant(bias), num_heads=sizes[0], domain=OWN)
            name = product(*output, len(shape))
        elif kind == "pool":
            name = node("MaxPool", kernel_shape=[sizes[0]] * 2, strides=[sizes[0]] * 2)
        elif kind == "batch_norm":
            name = node("BatchNormalization", *map(constant, arrays), epsilon=1e-3)
        elif kind == "layer_norm":
            name = node("LayerNormalization", *map(constant, arrays), epsilon=1e-3)
        elif kind == "mean":
            name = node("ReduceMean", axes=[2, 3] if len(shape) == 3 else [1], keepdims=0)
        elif kind == "fork":
            kept.append(name)
        elif kind == "swap":
            name, kept[-1] = kept[-1], name
        elif kind == "add":
            name = node("Add", kept.pop())
        elif kind == "relu":
            name = node("Relu")
        elif kind == "flatten":
            name, flattened = node("Flatten"), shape
        elif kind in BLOCKS:
            name = node("Transpose", perm=[1, 0, 2])  # elements before rows: the only layout that it runs
            options = {"linear_before_reset": 1} if kind == "gru" else {}
            matrices = map(constant, recurrent_arrays(kind, *arrays))
            name = node(kind.upper(), *matrices, unused=[""], hidden_size=sizes[0], **options)
            name = node("Squeeze", constant(np.int64([0])))
        if activation:
            name = node(ACTIVATIONS[activation])
    nodes[-1].output[0] = "y"
    *sizes, channels = workload.shape
    shape = [channels, *sizes] if len(sizes) == 2 else [*sizes, channels]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, *shape])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, workload.layers[-1][1]])
    graph = helper.make_graph(nodes, workload.name, [x], [y], constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(OWN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    checker.check_model(model)
    return model.SerializeToString()
