"""The base of all layers: weights, building, calling, configuration."""

import contextlib
import functools
import inspect
import warnings

import numpy as np

from fastnn import activations, config, constraints, initializers, regularizers, tree  # noqa: F401, they fill the registry
from fastnn.graph import declaration
from fastnn.graph.masks import carrying, mask_of
from fastnn.graph.operation import Operation, bound_arguments
from fastnn.graph.program import Arithmetic, Tensor, current_program, eager
from fastnn.layers import input_spec
from fastnn.layers.calling import (
    build_parameters,
    call_signature,
    default_training,
    first_argument,
    outer_training,
    path_scope,
    program_of,
    running,
    shapes_for_build,
    weight_path,
)
from fastnn.layers.mask_passing import MaskPassing
from fastnn.layers.tracking import Tracking
from fastnn.naming import unique_name
from fastnn.saving import budget, registry
from fastnn.variable import Variable


class Layer(Tracking, MaskPassing, Operation):
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
    input_spec : InputSpec, structure of them, or None
        What is expected of the first argument of a call, in layers of your own; the library's check theirs themselves.
    """

    input_spec = None

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls)
        layer._arguments = bound_arguments(cls, args, kwargs)
        return layer

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _remembering_shape(cls.__dict__["build"])

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
        self._built_with = {}  # arguments of build()
        self._inbound_nodes = []  # calls on declared tensors

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
            variable = Variable(
                initializer, shape, dtype, trainable, aggregation=aggregation,
                name=name or self._free_name("variable"),
            )  # fmt: skip
        with path_scope(self.name):
            variable.path = f"{weight_path()}{variable.name}"
        variable.regularizer = registry.get("regularizer", regularizer)
        variable.constraint = registry.get("constraint", constraint)
        (self._own_trainable if trainable else self._own_frozen).append(variable)
        return variable

    def _free_name(self, base):
        taken = {v.name for v in self._own_weights()}
        return next(n for n in (base, *(f"{base}_{i}" for i in range(1, len(taken) + 2))) if n not in taken)

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

    @property
    def _build_shapes(self):
        """The shape, or the structure of shapes, of what the layer was built for; None if it was not."""
        return next(iter(self._built_with.values()), None)

    def get_build_config(self):
        """What `build_from_config` needs: the shape of the input, or those of several arguments by name."""
        if self._build_shapes is None:
            return None
        if len(self._built_with) == 1:
            return {"input_shape": self._build_shapes}
        return {"shapes_dict": dict(self._built_with)}

    def build_from_config(self, config):
        """Make the weights for the shapes that `get_build_config` gave."""
        config = config or {}
        if config.get("input_shape") is not None:
            self._build(tree.map_shape_structure(tuple, config["input_shape"]))
        elif config.get("shapes_dict"):
            shapes = config["shapes_dict"]
            if unknown := set(shapes) - set(build_parameters(type(self))):
                raise ValueError(f"{self}: build() takes no {sorted(unknown)}")
            self._build(**{name: tree.map_shape_structure(tuple, shape) for name, shape in shapes.items()})

    def _build(self, *shapes, **by_name):
        if not self.built:
            with eager():
                self.build(*shapes, **by_name)
            self._built_with = _arguments_of(self.build, shapes, by_name)
            self.built = True

    def symbolic_call(self, *args, **kwargs):
        """Become part of a model: called on `Input` or on what follows from it."""
        if self.input_spec is not None:
            input_spec.check(self.input_spec, first_argument(self, args, kwargs), self.name)
        if not self.built:
            self._build(**shapes_for_build(self, args, kwargs))
        return declaration.record(self, args, kwargs)

    def __call__(self, *args, **kwargs):
        if declaration.is_declared(args) or declaration.is_declared(kwargs):
            return self.symbolic_call(*args, **kwargs)
        args = tuple(tree.traverse(self._incoming, x) for x in args)
        kwargs = {name: tree.traverse(self._incoming, x) for name, x in kwargs.items()}
        first = first_argument(self, args, kwargs)
        if self.input_spec is not None:
            input_spec.check(self.input_spec, first, self.name)
        if not self.built:
            self._build(**shapes_for_build(self, args, kwargs))
        self._check_input(first)
        training = self._set_training(args, kwargs)
        program = program_of(args)
        with running(training) as outermost:
            if outermost:
                self._clear_losses(program)
            masks, masked = self._take_masks(first, args, kwargs)
            with path_scope(self.name), program.scope(self.name) if program else contextlib.nullcontext():
                outputs = self.call(*args, **kwargs)
                if outputs is None:
                    raise ValueError(f"{self}: call() returned None: let it return a tensor")
                self._give_masks(first, outputs, masks, masked)
        if self.activity_regularizer is not None:
            self.add_loss(self.activity_regularizer(outputs) / first.shape[0])
        return outputs

    def _set_training(self, args, kwargs):
        """Let `training` be among the arguments if call() takes it; returns what calls inside go by."""
        given = kwargs.pop("training", None)
        training = outer_training() if given is None else given
        default = default_training(type(self))
        if default is not None:
            if len(args) >= list(call_signature(type(self)).parameters).index("training"):  # self counts there
                raise ValueError(f"{self}: give training by its name, as in training=True; received {args[1:]!r:.60}")
            kwargs["training"] = default if training is None else bool(training)
        return training

    def __getattr__(self, name):
        if name in ("name", "dtype", "built", "_trainable"):
            raise AttributeError(
                f"{type(self).__name__} has no {name!r} yet: call super().__init__() first in its __init__()"
            )
        return object.__getattribute__(self, name)  # fails too, with the words of the property if it is one

    def _incoming(self, x):
        """An argument, or a part of one, as an array, of the layer's type if it holds floats; None to leave it.

        Lists of numbers are data; tuples of numbers, and single ones, are settings.
        """
        if isinstance(x, Layer):
            raise TypeError(
                f"{self}: expected data, received the layer {x}: put both into a Sequential, one after the other, or "
                "call the first one too"
            )
        if isinstance(x, Arithmetic) or not (hasattr(x, "__array__") or _is_numbers(x)):
            return None
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
        tensors = tree.map_shape_structure(lambda s: Tensor(None, s, self.dtype, "declared"), input_shape)
        return tree.map_structure(lambda t: t.shape, declaration.inferred(self, (tensors,), {}))

    # --- configuration -----------------------------------------------------------------------------
    def get_config(self):
        """The arguments that make this layer again."""
        base = {"name": self.name, "trainable": self._trainable, "dtype": dtype_config(self.dtype)}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = registry.serialize(self.activity_regularizer)
        return base | self._plain_arguments(base) if type(self).get_config is Layer.get_config else base

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


def _remembering_shape(build):
    """Mark the layer as built when its build() is called directly."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        with path_scope(self.name):
            build(self, *args, **kwargs)
        self._built_with = _arguments_of(functools.partial(build, self), args, kwargs)
        self.built = True

    return wrapped


def _arguments_of(function, args, kwargs):
    return dict(inspect.signature(function).bind(*args, **kwargs).arguments)


def _is_numbers(value):
    """True for a list of numbers, and for a list of such lists or tuples."""
    return isinstance(value, list) and value and all(isinstance(x, (int, float)) for x in tree.flatten(value))
