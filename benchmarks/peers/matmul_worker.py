"""A process that times products of dense layers in one library: ``python matmul_worker.py LIBRARY THREADS``."""

import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent.parent / "tests")]

import numpy as np  # noqa: E402, the path comes first
from kernel_rows import Case, executable, gradient_of, trace  # noqa: E402
from threadpoolctl import threadpool_info, threadpool_limits  # noqa: E402
from timing import repeated  # noqa: E402
from worker import Timer, serve  # noqa: E402

import fastnn  # noqa: E402
from fastnn import ops  # noqa: E402

# Batch, inputs, units; of a first layer nobody asks for the gradient of the input.
FIRST_LAYERS = ((32, 2, 6), (1, 784, 128), (32, 784, 128), (128, 784, 512), (2048, 6, 64))
LATER_LAYERS = (
    (32, 6, 1), (1, 128, 10), (32, 128, 10), (512, 64, 64), (2048, 64, 1), (128, 512, 10), (128, 512, 512),
    (64, 2048, 512), (128, 2048, 1), (10, 2048, 2048),
)  # fmt: skip
FORMS = ("x·w", "xᵀ·dy", "dy·wᵀ")
LAYERS = (*((layer, FORMS[:2]) for layer in FIRST_LAYERS), *((layer, FORMS) for layer in LATER_LAYERS))


def case_of(layer, form):
    """The row for fastnn: its arrays are x and w, and dy in gradients."""
    m, k, n = layer
    function = {"x·w": ops.matmul, "xᵀ·dy": gradient_of(ops.matmul, 1), "dy·wᵀ": gradient_of(ops.matmul, 0)}[form]
    shapes = ((m, k), (k, n), (m, n))
    return Case(form, function, shapes[:2] if form == "x·w" else shapes)


def operands(layer, form):
    """Two arrays as they lie in memory, and for each whether the product takes its transpose."""
    x, w, *dy = case_of(layer, form).arrays()
    return {"x·w": (x, w, 0, 0), "xᵀ·dy": (x, *dy, 1, 0), "dy·wᵀ": (*dy, w, 0, 1)}[form]


def sizes(layer, form):
    """m, n and k of the product."""
    m, k, n = layer
    return {"x·w": (m, n, k), "xᵀ·dy": (k, n, m), "dy·wᵀ": (m, k, n)}[form]


def name_of(layer, form):
    return f"{'x'.join(map(str, sizes(layer, form)))} {form}"


OVERHEAD = ((1, 1, 1), "x·w")
PRODUCTS = {name_of(layer, form): (layer, form) for layer, forms in LAYERS for form in forms}


# Each library: from a product to run(count) and an array that then holds the result.


def fastnn_product(layer, form):
    program = trace(case_of(layer, form))
    native = executable(case_of(layer, form), program)
    (target,) = program.updates
    return lambda count: native.run([], count=count), lambda: target.value


def numpy_product(layer, form):
    a, b, transpose_a, transpose_b = operands(layer, form)
    a, b = a.T if transpose_a else a, b.T if transpose_b else b
    out = np.empty((len(a), b.shape[1]), np.float32)
    return repeated(partial(np.matmul, a, b, out=out)), lambda: out


def torch_product(layer, form):
    import torch

    a, b, transpose_a, transpose_b = operands(layer, form)
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    a, b = a.t() if transpose_a else a, b.t() if transpose_b else b
    out = torch.empty((len(a), b.shape[1]))
    loop = repeated(partial(torch.mm, a, b, out=out))

    def run(count):
        with torch.inference_mode():
            loop(count)

    return run, out.numpy


def blis_product(layer, form):
    from blis.py import gemm

    a, b, transpose_a, transpose_b = operands(layer, form)
    out = np.zeros(sizes(layer, form)[:2], np.float32)
    options = {"out": out, "trans1": bool(transpose_a), "trans2": bool(transpose_b), "beta": 0.0}
    return repeated(partial(gemm, a, b, **options)), lambda: out


LIBRARIES = {"fastnn": fastnn_product, "NumPy": numpy_product, "PyTorch": torch_product, "BLIS": blis_product}


class ProductTimer(Timer):
    """The rounds of one library; `what` is the name of a product."""

    def __init__(self, library, threads):
        super().__init__()
        self.product, self.what = LIBRARIES[library], None
        fastnn.set_num_threads(threads)
        threadpool_limits(threads)
        if library == "PyTorch":
            import torch

            torch.set_num_threads(threads)

    def start(self):
        """What NumPy multiplies with."""
        return {
            "blas": [
                f"{pool['internal_api']} {pool['version']}, kernels {pool.get('architecture', 'not told')}, "
                f"threads {pool['num_threads']}"
                for pool in threadpool_info()
                if pool["user_api"] == "blas"
            ]
        }

    def _run(self, what):
        if what != self.what:
            self.what, self.run = what, self._checked(*{**PRODUCTS, name_of(*OVERHEAD): OVERHEAD}[what])
        return self.run

    def _checked(self, layer, form):
        a, b, transpose_a, transpose_b = operands(layer, form)
        expected = (a.T if transpose_a else a).astype(np.float64) @ (b.T if transpose_b else b)
        run, result = self.product(layer, form)
        run(1)
        np.testing.assert_allclose(result(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        return run


if __name__ == "__main__":
    name, n_threads = sys.argv[1:]
    serve(int(n_threads), lambda: ProductTimer(name, int(n_threads)))
