"""What fastnn aims at, as data: how many times faster than which libraries, and its own limits."""

KERAS = ("Keras/JAX", "Keras/TF")

# {workload: {what: (how many times faster, than the fastest of these; of all, where none is named)}}
FASTER = {
    "perceptron": {"train": (3, ("JAX",)), "fit": (50, KERAS), "forward": (2, ())},
    "xor": {"train": (3, ("JAX",)), "fit": (50, KERAS), "forward": (2, ())},
    "mlp-128": {"train": (2, ()), "fit": (3, ()), "forward": (1.5, ())},
    "mlp-512": {"train": (1.7, ()), "fit": (2, ()), "forward": (1.2, ())},
    "mnist-conv": {"train": (2, ()), "fit": (3, ()), "forward": (1.5, ())},
    "cifar-conv": {"train": (2, ()), "fit": (2.5, ()), "forward": (1.5, ())},
    "cats-dogs": {"train": (2, ()), "fit": (2.5, ()), "forward": (1.5, ())},
    "vgg": {"train": (1.7, ()), "fit": (2, ()), "forward": (1.3, ())},
    "mnist-lstm": {"train": (1, ()), "fit": (1, ()), "forward": (1, ())},
    "gru-100": {"train": (1, ()), "fit": (1, ()), "forward": (1, ())},
    "depthwise": {"train": (1, ()), "fit": (1, ()), "forward": (1, ())},
    "attention": {"train": (1, ()), "fit": (1, ()), "forward": (1, ())},
    "resnet": {"train": (1, ()), "fit": (1, ()), "forward": (1, ())},
}
MOST_SECONDS = {("mlp-128", "row"): 10e-6}  # of one call

SPEEDUP, LONG_STEP = 1.85, 1e-3  # of two threads over one, where one thread takes so many seconds; never below 1
MEMORY = 0.5  # of the leanest process of another library that trains the same
FIRST_FIT = 2  # times a later step
IMPORT = 30e-3  # seconds beyond NumPy's own
