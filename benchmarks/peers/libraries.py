"""The libraries that are compared: the worker of each, what must be installed, and how it looks in the picture."""

import importlib.util
from typing import NamedTuple

from workloads import WORKLOADS


class Library(NamedTuple):
    module: str  # of the worker
    needs: tuple[str, ...]
    variant: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    workloads: tuple[str, ...] = tuple(w.name for w in WORKLOADS)
    only: str = "train fit forward predict row"  # what it is asked for


DENSE = tuple(w.name for w in WORKLOADS if {layer[0] for layer in w.layers} == {"dense"})
WITHOUT_CONV = tuple(w.name for w in WORKLOADS if "conv" not in {layer[0] for layer in w.layers})

LIBRARIES = {
    "fastnn": Library("fastnn_worker", ("fastnn",)),
    "PyTorch": Library("torch_worker", ("torch",)),
    # Without its caches: else its first step would be that of another run.
    "torch.compile": Library("torch_worker", ("torch",), "compile", (("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1"),)),
    "JAX": Library("jax_worker", ("jax",)),
    # XLA's loops run convolutions several times slower than they run outside of them.
    "JAX scan": Library("jax_worker", ("jax",), "scan", workloads=WITHOUT_CONV, only="fit"),
    "Keras/JAX": Library("keras_worker", ("keras", "jax"), environment=(("KERAS_BACKEND", "jax"),)),
    "Keras/TF": Library("keras_worker", ("keras", "tensorflow"), environment=(("KERAS_BACKEND", "tensorflow"),)),
    "ONNX Runtime": Library("onnxruntime_worker", ("onnx", "onnxruntime")),
    "scikit-learn": Library("sklearn_worker", ("sklearn",), workloads=DENSE),
}


def missing(library):
    """The packages that it needs and that are not installed."""
    return [name for name in library.needs if importlib.util.find_spec(name) is None]
