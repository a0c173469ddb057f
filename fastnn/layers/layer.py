"""The base of all layers: weights, building, calling, configuration."""

import contextlib
import inspect
import threading
import warnings

import numpy as np

from fastnn import activations, config, constraints, initializers, regularizers  # noqa: F401, they fill the registry
from fastnn.graph import declaration
from fastnn.graph.masks import carry, carrying, mask_of
from fastnn.graph.program import Arithmetic, Tensor, current_program, eager
from fastnn.naming import unique_name
from fastnn.saving import budget, registry
from fastnn.variable import Variable

_context = threading.local()  # .training: what the outermost call said
_PLAIN = frozenset((type(None), bool, int, float, str, Variable))  # types that hold no layers and no metrics
_NOT_HELD = frozenset((  # attributes in which layers and metrics are no part of the layer, or never are
    "_arguments", "_nested_in", "loss_tracker", "_compile_metrics", "_inbound_nodes", "_own_trainable", "_own_frozen",
    "_losses", "_build_shapes", "_programs", "_compile_config",
))  # fmt: skip


class Layer:
    """A function of tensors with weights.

    A layer of your own defines ``__init__``, ``build(input_shape)`` (where `add_weight` makes the weights) and
    ``call(inputs)``, written with `fastnn.ops`; its gradient follows from there.

    Parameters
    ----------
    activity_regularizer : regularizer, optional
        A penalty on the output, added to the loss.
    trainable : bool
    dtype : str or dict, optional
        Float type of the weights; floatx unless given.
    autocast : bool
        Accepted as in Keras.
    name : str, optional

    Attributes
    ----------
    supports_masking : bool
        Whether the output carries a mask: what `compute_mask` gives, by default the mask of the input.  True for
        layers that define `compute_mask`.
    """

    supports_masking = False

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls)
        layer._arguments = _bound_arguments(cls, args, kwargs)
        return layer

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _remembering_shape(cls.__dict__["build"])
        if "compute_mask" in cls.__dict__ and "supports_masking" not in cls.__dict__:
            cls.supports_masking = True

    def __init__(self, *, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs):
        self._declared_shape = _declared_shape(type(self).__name__, kwargs)
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unexpected arguments {sorted(kwargs)}")
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: name must be a string without '/', received {name!r}")
        self.name = name or unique_name(registry.snake_case(type(self).__name__))
        self.activity_regularizer = registry.get("regularizer", activity_regularizer)
        self._trainable, self.built, self.autocast = bool(trainable), False, autocast
        self.dtype = dtype_name(dtype)
        self._own_trainable, self._own_frozen, self._losses = [], [], []
        self._build_shapes = None
        self._inbound_nodes = []  # calls on declared tensors

    def __getstate__(self):
        return {**vars(self), "_inbound_nodes": []}  # calls belong to the models that they were made for

    # --- weights -----------------------------------------------------------------------------------
    def add_weight(
        self,
        shape=None,
        initializer=None,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        aggregation=None,
        overwrite_with_gradient=False,
        name=None,
    ):
        """A new variable of the layer.

        Parameters
        ----------
        shape : tuple of int
        initializer : str, initializer or callable, optional
            Glorot uniform unless given.
        trainable : bool
            Whether training changes it.
        regularizer, constraint : optional
        name : str, optional

        Returns
        -------
        Variable
        """
        shape = tuple(shape) if shape is not None else ()
        dtype = dtype or self.dtype
        if any(not isinstance(n, (int, np.integer)) or n < 0 for n in shape):
            raise ValueError(f"{self}: a weight needs a shape of known sizes, received {shape}")
        loading = budget.charge(shape, dtype)  # a file's weights come next: no numbers need to be drawn
        initializer = registry.get("initializer", "zeros" if loading else initializer or "glorot_uniform")
        with eager():
            variable = Variable(initializer, shape, dtype, trainable, name or self._free_name("variable"))
        with _path_scope(self.name):
            variable.path = f"{_context.path}{variable.name}"
        variable.regularizer = registry.get("regularizer", regularizer)
        variable.constraint = registry.get("constraint", constraint)
        (self._own_trainable if trainable else self._own_frozen).append(variable)
        return variable

    def _free_name(self, base):
        taken = {v.name for v in self._own_weights()}
        return next(n for n in (base, *(f"{base}_{i}" for i in range(1, len(taken) + 2))) if n not in taken)

    @property
    def _layers(self):
        """The layers held by this one, in the order of its attributes."""
        return self._held(Layer)

    def _held(self, kind):
        """The objects of a kind among the attributes; quick, as every look at the metrics asks each layer."""
        found, kinds = [], (kind, list, tuple, dict)
        for key, value in vars(self).items():
            if type(value) not in _PLAIN and key not in _NOT_HELD and isinstance(value, kinds):
                _collect(kind, value, found)
        return found

    @property
    def metrics(self):
        """The metrics among the attributes of the layer and of those it holds."""
        from fastnn.metrics import Metric

        found = []
        for layer in self._flatten_layers():
            _collect(Metric, layer._held(Metric), found)
        return found

    def _flatten_layers(self):
        yield self
        for layer in self._layers:
            yield from layer._flatten_layers()

    def _own_weights(self):
        attributes = [v for v in vars(self).values() if isinstance(v, Variable)]
        known = [*self._own_trainable, *self._own_frozen]
        return known + [v for v in attributes if all(v is not k for k in known)]

    @property
    def weights(self):
        """All variables: the layer's own, then those of the layers it holds."""
        found = list(self._own_weights())
        for layer in self._layers:
            found += layer.weights
        return _unique(found)

    variables = weights

    @property
    def trainable_weights(self):
        """The variables that training changes."""
        if not self._trainable:
            return []
        found = [v for v in self._own_weights() if v.trainable]
        for layer in self._layers:
            found += layer.trainable_weights
        return _unique(found)

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self):
        """The variables that training leaves alone, or changes without a gradient."""
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trained]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self):
        """False freezes the layer and all in it; takes effect with the next compile()."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)
        for layer in self._layers:
            layer.trainable = value

    def get_weights(self):
        """Copies of all variables, as a list of arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights):
        """Replace all variables by a list of arrays of their shapes."""
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f"{self}: set_weights() expects {len(variables)} arrays, received {len(weights)}"
                + ("" if self.built else "; the layer is not built yet: call it once, or give the model an Input")
            )
        for variable, value in zip(variables, weights, strict=True):
            if np.shape(value) != variable.shape:
                raise ValueError(
                    f"{self}: weight {variable.path} has shape {variable.shape}, the array {np.shape(value)}"
                )
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(np.asarray(value))

    def count_params(self):
        """How many numbers the variables hold."""
        if not self.built:
            raise ValueError(
                f"{self}: count_params() before the layer is built: call it once, or give the model an Input"
            )
        return sum(v.size for v in self.weights)

    # --- losses of its own -------------------------------------------------------------------------
    def add_loss(self, loss):
        """Add a scalar tensor, or a list of them, to the loss of the model; call it inside ``call``."""
        program = current_program()
        for each in loss if isinstance(loss, (list, tuple)) else [loss]:
            if program is not None:
                program.losses.append((self, each))
            else:
                self._losses.append(each)

    @property
    def losses(self):
        """What the last call added, and the penalties of the weights."""
        program = current_program()
        if program is None:
            added = [loss for layer in self._flatten_layers() for loss in layer._losses]
        else:
            own = {id(layer) for layer in self._flatten_layers()}
            added = [loss for layer, loss in program.losses if id(layer) in own]
        return added + [v.regularizer(v) for v in self.trainable_weights if v.regularizer is not None]

    def _clear_losses(self, program):
        """Forget what earlier calls added."""
        layers = list(self._flatten_layers())
        for layer in layers:
            layer._losses = []
        if program is not None and program.losses:
            own = {id(layer) for layer in layers}
            program.losses = [entry for entry in program.losses if id(entry[0]) not in own]

    # --- building and calling ----------------------------------------------------------------------
    def build(self, input_shape):
        """Make the weights; layers without weights need none."""

    def get_build_config(self):
        """What `build_from_config` needs."""
        return {"input_shape": self._build_shapes} if self._build_shapes is not None else None

    def build_from_config(self, config):
        if config and config.get("input_shape") is not None:
            self._build(_as_shape(config["input_shape"]))

    def _build(self, shape):
        if not self.built:
            with eager():
                self.build(shape)
            self._build_shapes = shape
            self.built = True

    def call(self, *args, **kwargs):
        """The computation; defined by each layer."""
        raise NotImplementedError(f"{type(self).__name__} defines no call()")

    def _declare(self, args, kwargs):
        """Become part of a model: called on `Input` or on what follows from it."""
        first = args[0] if args else next(iter(kwargs.values()))
        self._build(_map_structure(lambda x: tuple(getattr(x, "shape", ())), first))
        return declaration.record(self, args, kwargs)

    def _only_node(self, what):
        if not self._inbound_nodes:
            raise AttributeError(f"{self} has no {what}: it was not called on Input or what follows from it yet")
        return self._inbound_nodes[0]

    @property
    def input(self):
        """The declared tensors of the layer's first call in a model."""
        tensors = self._only_node("input").inputs
        return tensors[0] if len(tensors) == 1 else tensors

    @property
    def output(self):
        """What came out of the layer's first call in a model, as declared tensors."""
        return self._only_node("output").outputs

    def __call__(self, *args, **kwargs):
        if declaration.is_declared(args) or declaration.is_declared(kwargs):
            return self._declare(args, kwargs)
        args = tuple(_map_structure(self._incoming, a) for a in args)
        kwargs = {k: _map_structure(self._incoming, v) if k != "training" else v for k, v in kwargs.items()}
        first = args[0] if args else next(iter(kwargs.values()), None)
        if not self.built:
            self._build(_map_structure(_shape_for_build, first))
        self._check_input(first)
        outermost = getattr(_context, "training", None)
        training = kwargs.get("training")
        training = outermost if training is None else training
        default = _default_training(type(self))
        if default is not None:
            kwargs["training"] = bool(training) if training is not None else default
        else:
            kwargs.pop("training", None)
        _context.training = training
        program = current_program() or _program_in(args)
        inner = getattr(_context, "inner", False)
        if not inner:
            self._clear_losses(program)
        _context.inner = True
        masks, masked = self._take_masks(first, args, kwargs)
        try:
            with _path_scope(self.name), program.scope(self.name) if program else contextlib.nullcontext():
                outputs = self.call(*args, **kwargs)
                if outputs is None:
                    raise ValueError(f"{self}: call() returned None: let it return a tensor")
                self._give_masks(first, outputs, masks, masked)
        finally:
            _context.training, _context.inner = outermost, inner
        if self.activity_regularizer is not None:
            self.add_loss(self.activity_regularizer(outputs) / first.shape[0])
        return outputs

    def compute_mask(self, inputs, previous_mask):
        """The mask of the output, for layers with ``supports_masking``: that of the input, unless defined otherwise."""
        return previous_mask

    def _take_masks(self, first, args, kwargs):
        """(masks of the first argument, whether any argument carries one); call() gets those that it asks for.

        As in Keras: ``mask`` where one argument alone holds tensors, else ``query_mask`` for ``query``, and so on.
        """
        if not any(mask_of(x) is not None for x in declaration.leaves((args, kwargs))):
            return kwargs.get("mask"), kwargs.get("mask") is not None
        signature = call_signature(type(self))
        given = signature.bind(self, *args, **kwargs).arguments
        holding = {name: value for name, value in list(given.items())[1:] if _holds_tensors(value)}
        for name, value in holding.items():
            wanted = "mask" if len(holding) == 1 else f"{name}_mask"
            if wanted in signature.parameters and given.get(wanted) is None:
                kwargs[wanted] = _map_structure(mask_of, value)
        if len(holding) > 1 and "mask" in signature.parameters and given.get("mask") is None:
            warnings.warn(
                f"{self}: the mask of its input is not used, as in Keras, because the call has several tensors "
                f"({', '.join(holding)}): pass it as mask=... to use it",
                stacklevel=3,
            )
        masks = kwargs.get("mask")
        return (_map_structure(mask_of, first) if masks is None else masks), True

    def _give_masks(self, first, outputs, masks, masked):
        """Let the outputs carry the masks that `compute_mask` gives, if the call has not done it."""
        if not self.supports_masking:
            if masked and any(mask is not None for mask in declaration.leaves(masks)):
                warnings.warn(
                    f"{self} does not support masking: the mask of its input ends here, later layers do not see it",
                    stacklevel=3,
                )
            return
        own = type(self).compute_mask is not Layer.compute_mask
        outputs = declaration.leaves(outputs)
        if not (masked or own) or all(mask_of(y) is not None for y in outputs):
            return
        for y, mask in zip(outputs, declaration.leaves(self.compute_mask(first, masks)), strict=False):
            if mask is not None and mask_of(y) is None:
                carry(y, mask)

    def __getattr__(self, name):
        if name in ("name", "dtype", "built", "_trainable"):
            raise AttributeError(
                f"{type(self).__name__} has no {name!r} yet: call super().__init__() first in its __init__()"
            )
        return object.__getattribute__(self, name)  # fails too, with the words of the property if it is one

    def _incoming(self, x):
        """Arrays of floats take the layer's float type."""
        if isinstance(x, Arithmetic) or x is None or isinstance(x, (str, bool)):
            return x
        if isinstance(x, Layer):
            raise TypeError(
                f"{self}: expected data, received the layer {x}: put both into a Sequential, one after the other, or "
                "call the first one too"
            )
        array = np.asarray(x)
        converted = array.astype(self.dtype) if array.dtype.kind == "f" and array.dtype != self.dtype else array
        return converted if converted is x else carrying(converted, mask_of(x))

    def _check_input(self, x):
        """Raise a ValueError with the repair if the input cannot be right."""

    def _wrong_input(self, expected, shape, repair):
        """The error for an input of the wrong shape."""
        return ValueError(f"{self}: expected {expected}, received {tuple(shape)}. {repair}".rstrip())

    def compute_output_shape(self, input_shape):
        """The shape that comes out for a shape with None for unknown sizes."""
        tensors = _map_shape(lambda s: Tensor(None, s, self.dtype, "declared"), input_shape)
        return _map_structure(lambda t: t.shape, declaration.inferred(self, (tensors,), {}))

    # --- configuration -----------------------------------------------------------------------------
    def get_config(self):
        """The arguments that make this layer again."""
        base = {"name": self.name, "trainable": self._trainable, "dtype": dtype_config(self.dtype)}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = registry.serialize(self.activity_regularizer)
        return base | self._plain_arguments(base) if type(self).get_config is Layer.get_config else base

    def _plain_arguments(self, known):
        """The arguments of the constructor that are not known yet: the configuration of a class that defines none."""
        own = {k: v for k, v in self._arguments.items() if k not in known}
        if unserializable := [k for k, v in own.items() if not _is_plain(v)]:
            raise NotImplementedError(
                f"{type(self).__name__}: arguments {unserializable} are no plain data: define get_config()"
            )
        return own

    @classmethod
    def from_config(cls, config):
        """The layer that a configuration describes."""
        return cls(**config)

    def save_own_variables(self, store):
        """Put the layer's own variables into a mapping from "0", "1", ... to arrays."""
        for i, variable in enumerate(self._own_weights()):
            store[str(i)] = variable.value

    def load_own_variables(self, store):
        """The reverse of `save_own_variables`."""
        variables = self._own_weights()
        if len(store.keys()) != len(variables):
            raise ValueError(f"{self}: the file has {len(store.keys())} arrays for it, the layer {len(variables)}")
        for i, variable in enumerate(variables):
            variable.assign(np.asarray(store[str(i)]))

    def __str__(self):
        return f"{type(self).__name__} '{self.name}'"

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _declared_shape(kind, kwargs):
    """The shape of a sample given to a first layer, as programs written for older Keras do."""
    dim = kwargs.pop("input_dim", None)
    shape = kwargs.pop("input_shape", None if dim is None else (dim,))
    if shape is None:
        return None
    warnings.warn(f"{kind}: put Input(shape={tuple(shape)}) first instead of giving input_shape", stacklevel=6)
    return tuple(shape)


def dtype_name(dtype):
    """The float type meant by a name, a serialized policy or None."""
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    dtype = str(getattr(dtype, "name", dtype)) if dtype is not None else config.floatx()
    if dtype not in ("float32", "float64", "int32", "bool", "int64", "uint8"):
        raise ValueError(f'dtype must be "float32" or "float64", received {dtype!r}: lower precision is not offered')
    return dtype


def dtype_config(dtype):
    """A float type as Keras writes it into configurations."""
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}


def _bound_arguments(cls, args, kwargs):
    try:
        bound = inspect.signature(cls.__init__).bind_partial(None, *args, **kwargs)
    except (TypeError, ValueError):
        return {}
    arguments = dict(bound.arguments)
    del arguments[next(iter(arguments))]  # self, whatever its name
    arguments.update(arguments.pop("kwargs", {}))
    return arguments


@contextlib.contextmanager
def _path_scope(name):
    """Weights made inside have the names of the layers around them in their path."""
    outer = getattr(_context, "path", "")
    _context.path = outer if f"/{outer}".endswith(f"/{name}/") else f"{outer}{name}/"
    try:
        yield
    finally:
        _context.path = outer


def _remembering_shape(build):
    """Mark the layer as built when its build() is called directly."""

    def wrapped(self, input_shape=None, *args, **kwargs):
        with _path_scope(self.name):
            build(self, input_shape, *args, **kwargs)
        self._build_shapes = input_shape
        self.built = True

    wrapped.__doc__, wrapped.__name__ = build.__doc__, "build"
    return wrapped


_signatures = {}
_training_cache = {}


def call_signature(cls):
    """The signature of call(), as a function of the layer too."""
    if cls not in _signatures:
        _signatures[cls] = inspect.signature(cls.call)
    return _signatures[cls]


def _default_training(cls):
    """What `training` is if nobody says: True only where call() says so; None where it takes no such argument."""
    if cls not in _training_cache:
        parameter = call_signature(cls).parameters.get("training")
        _training_cache[cls] = None if parameter is None else parameter.default is True
    return _training_cache[cls]


def _holds_tensors(value):
    """Whether an argument is a tensor or array, or a structure of such."""
    found = declaration.leaves(value)
    return any(isinstance(x, (Arithmetic, np.ndarray)) for x in found) and all(
        x is None or isinstance(x, (Arithmetic, np.ndarray)) for x in found
    )


def _is_plain(value):
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, (bool, int, float, str))


def _collect(kind, value, found):
    """Put the objects of a kind in nested lists and dicts into `found`, each once."""
    if isinstance(value, kind):
        if all(value is not known for known in found):
            found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(kind, item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(kind, item, found)


def _unique(variables):
    seen, result = set(), []
    for v in variables:
        if id(v) not in seen:
            seen.add(id(v))
            result.append(v)
    return result


def _map_structure(function, value):
    """The function applied to every leaf of nested lists, tuples and dicts."""
    if isinstance(value, (list, tuple)) and not _is_numbers(value):
        return type(value)(_map_structure(function, v) for v in value)
    if isinstance(value, dict):
        return {k: _map_structure(function, v) for k, v in value.items()}
    return function(value)


def _is_numbers(value):
    return all(isinstance(v, (int, float, bool)) or (isinstance(v, (list, tuple)) and _is_numbers(v)) for v in value)


def _shape_for_build(x):
    """The shape that build() sees: the batch size of a symbolic tensor is left open."""
    shape = tuple(getattr(x, "shape", ()))
    return (None, *shape[1:]) if isinstance(x, Tensor) and shape else shape


def _is_shape(value):
    return isinstance(value, (list, tuple)) and all(n is None or isinstance(n, (int, np.integer)) for n in value)


def _map_shape(function, shapes):
    if _is_shape(shapes):
        return function(shapes)
    if isinstance(shapes, dict):
        return {k: _map_shape(function, s) for k, s in shapes.items()}
    return [_map_shape(function, s) for s in shapes]


def _as_shape(value):
    return _map_shape(tuple, value)


def _program_in(args):
    for value in args:
        if isinstance(value, Tensor):
            return value.program
        if isinstance(value, (list, tuple)):
            program = _program_in(value)
            if program is not None:
                return program
        if isinstance(value, dict):
            program = _program_in(list(value.values()))
            if program is not None:
                return program
    return None
