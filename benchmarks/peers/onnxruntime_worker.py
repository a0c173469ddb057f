"""ONNX Runtime: inference on its CPU provider, with all its graph optimisations, channels first as its files are."""

import numpy as np
import onnxruntime
from onnx_graph import graph_file

VERSION = onnxruntime.__version__


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
