"""What `golden.make_multi` trains in Keras and the tests train here, given either library."""


def optimizer(k):
    """Three optimizers: of the kernel of the first layer, of all other kernels, of the biases."""
    o = k.optimizers
    by_path = {"two/encoder/kernel": o.Adam(0.05, use_ema=True, ema_momentum=0.5), ".*decoder/ker.+": o.RMSprop(0.02)}
    return o.MultiOptimizer(o.OptimizerMap(o.SGD(0.1, momentum=0.9), by_path), loss_scale_factor=4.0)


def model(k, chosen, cls=None):
    """Two dense layers, compiled; of a subclass of Sequential if one is given."""
    layers = [k.layers.Dense(8, activation="tanh", name="encoder"), k.layers.Dense(3, name="decoder")]
    made = (cls or k.Sequential)([k.Input((4,)), *layers], name="two")
    made.compile(chosen, "mse")
    return made


def saved_optimizer(k):
    """As `optimizer`, for paths with and without the model's name: Keras loses it when it loads a Sequential."""
    o = k.optimizers
    return o.MultiOptimizer(o.OptimizerMap(o.SGD(0.1, momentum=0.9), {"(two/)?encoder/.*": o.Adam(0.05)}))
