"""Normalization layers."""

from fastnn import config, ops
from fastnn.layers.layer import Layer
from fastnn.ops.normalization import normalized
from fastnn.saving import registry


class _Affine(Layer):
    """What normalizations share: scale and offset with their initializers, regularizers and constraints."""

    supports_masking = True

    def __init__(
        self, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
        beta_constraint, gamma_constraint, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = epsilon, center, scale
        self.beta_initializer = registry.get("initializer", beta_initializer)
        self.gamma_initializer = registry.get("initializer", gamma_initializer)
        self.beta_regularizer = registry.get("regularizer", beta_regularizer)
        self.gamma_regularizer = registry.get("regularizer", gamma_regularizer)
        self.beta_constraint = registry.get("constraint", beta_constraint)
        self.gamma_constraint = registry.get("constraint", gamma_constraint)
        self.gamma = self.beta = None

    def add_affine(self, shape):
        if self.scale:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, regularizer=self.gamma_regularizer, constraint=self.gamma_constraint,
                name="gamma",
            )  # fmt: skip
        if self.center:
            self.beta = self.add_weight(
                shape, self.beta_initializer, regularizer=self.beta_regularizer, constraint=self.beta_constraint,
                name="beta",
            )  # fmt: skip

    def normalize(self, x, mean, variance, shape):
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta."""
        scale, offset = (None if w is None else ops.reshape(w, shape) for w in (self.gamma, self.beta))
        return normalized(x, mean, variance, self.epsilon, scale, offset)

    def get_config(self):
        found = {**super().get_config(), "epsilon": self.epsilon, "center": self.center, "scale": self.scale}
        for name in ("beta", "gamma"):
            for what in ("initializer", "regularizer", "constraint"):
                found[f"{name}_{what}"] = registry.serialize(getattr(self, f"{name}_{what}"))
        return found


@registry.register("layer")
class BatchNormalization(_Affine):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted (arXiv 1502.03167).

    In training by the statistics of the batch, while their moving averages are kept; else by the moving averages.

    Parameters
    ----------
    axis : int
        The channels.
    momentum : float
        moving = moving * momentum + batch * (1 - momentum).
    epsilon : float
    center, scale : bool

    The statistics leave out elements whose mask is False.

    Weights: gamma (c,), beta (c,), moving_mean (c,), moving_variance (c,).
    """

    def __init__(
        self, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True, beta_initializer="zeros",
        gamma_initializer="ones", moving_mean_initializer="zeros", moving_variance_initializer="ones",
        beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None,
        synchronized=False, renorm=False, renorm_clipping=None, renorm_momentum=0.99, **kwargs,
    ):  # fmt: skip
        if renorm or renorm_clipping is not None:
            raise ValueError("BatchNormalization: batch renormalization is not offered: leave renorm out")
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
            beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        self.axis, self.momentum, self.synchronized = int(axis), float(momentum), synchronized
        self.renorm_momentum = renorm_momentum
        self.moving_mean_initializer = registry.get("initializer", moving_mean_initializer)
        self.moving_variance_initializer = registry.get("initializer", moving_variance_initializer)

    def build(self, input_shape):
        if not -len(input_shape) <= self.axis < len(input_shape) or input_shape[self.axis] is None:
            raise self._wrong_input(f"a known number of channels on axis {self.axis}", input_shape, "")
        shape = (input_shape[self.axis],)
        self.add_affine(shape)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )

    def _check_input(self, x):
        channels = self.moving_mean.shape[0]
        if len(x.shape) < 2 or x.shape[self.axis] != channels:
            raise self._wrong_input(f"input with {channels} channels on axis {self.axis}", x.shape, "")

    def call(self, inputs, training=None, mask=None):
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                f"{self}: a mask of shape {tuple(mask.shape)} does not fit inputs of shape {tuple(inputs.shape)}: it "
                "has all axes but the last"
            )
        axis = self.axis % len(inputs.shape)
        shape = tuple(n if i == axis else 1 for i, n in enumerate(inputs.shape))
        if not training or not self.trainable:
            mean, variance = ops.reshape(self.moving_mean, shape), ops.reshape(self.moving_variance, shape)
            return self.normalize(inputs, mean, variance, shape)
        axes = tuple(i for i in range(len(inputs.shape)) if i != axis)
        mean, variance = self._moments(inputs, axes, mask)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            batch = ops.reshape(ops.stop_gradient(batch), moving.shape)
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return self.normalize(inputs, mean, variance, shape)

    def _moments(self, inputs, axes, mask):
        """Mean and variance over the elements that the mask, of all axes but the last, does not leave out."""
        if mask is None:
            return ops.moments(inputs, axes, keepdims=True)
        present = ops.cast(ops.broadcast_to(ops.expand_dims(mask, -1), inputs.shape), "bool")
        count = ops.sum(ops.cast(present, inputs.dtype), axes, keepdims=True) + config.epsilon()
        mean = ops.sum(ops.where(present, inputs, 0.0), axes, keepdims=True) / count
        variance = ops.sum(ops.where(present, ops.square(inputs - mean), 0.0), axes, keepdims=True) / count
        return mean, variance

    def get_config(self):
        found = super().get_config()
        for what in ("moving_mean", "moving_variance"):
            found[f"{what}_initializer"] = registry.serialize(getattr(self, f"{what}_initializer"))
        return {
            **found, "axis": self.axis, "momentum": self.momentum, "synchronized": self.synchronized,
            "renorm": False, "renorm_clipping": None, "renorm_momentum": self.renorm_momentum,
        }  # fmt: skip


@registry.register("layer")
class LayerNormalization(_Affine):
    """Each sample brought to mean 0 and variance 1 over its features, then scaled and shifted (arXiv 1607.06450).

    Parameters
    ----------
    axis : int or list of int
        The features.
    epsilon : float
    center, scale : bool
    rms_scaling : bool
        Divide by the root mean square only: no mean is subtracted, no offset added.

    Weights: gamma and beta with the sizes of the features.
    """

    def __init__(
        self, axis=-1, epsilon=1e-3, center=True, scale=True, beta_initializer="zeros", gamma_initializer="ones",
        beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None, rms_scaling=False,
        **kwargs,
    ):  # fmt: skip
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
            beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        self.rms_scaling = rms_scaling
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    def _axes(self, rank):
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        return tuple(sorted(a % rank for a in axes))

    def build(self, input_shape):
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]  # as Keras writes it
        self.add_affine(tuple(input_shape[a] for a in self._axes(len(input_shape))))

    def call(self, inputs):
        axes = self._axes(len(inputs.shape))
        shape = tuple(n if i in axes else 1 for i, n in enumerate(inputs.shape))
        if self.rms_scaling:
            return ops.rms_normalization(inputs, self.gamma, axes, self.epsilon)
        mean, variance = ops.moments(inputs, axes, keepdims=True)
        return self.normalize(inputs, mean, variance, shape)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "rms_scaling": self.rms_scaling}


@registry.register("layer")
class GroupNormalization(_Affine):
    """Groups of channels of each sample brought to mean 0 and variance 1, then scaled and shifted (arXiv 1803.08494).

    Parameters
    ----------
    groups : int
        Into how many the channels are cut; -1: each channel is a group.
    axis : int
        The channels.
    epsilon : float
    center, scale : bool

    Weights: gamma (c,), beta (c,).
    """

    def __init__(
        self, groups=32, axis=-1, epsilon=1e-3, center=True, scale=True, beta_initializer="zeros",
        gamma_initializer="ones", beta_regularizer=None, gamma_regularizer=None, beta_constraint=None,
        gamma_constraint=None, **kwargs,
    ):  # fmt: skip
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
            beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        self.groups, self.axis = int(groups), axis

    def build(self, input_shape):
        channels = input_shape[self.axis]
        if channels is None:
            raise self._wrong_input(f"a known number of channels on axis {self.axis}", input_shape, "")
        self.groups = channels if self.groups == -1 else self.groups
        if channels % self.groups:
            raise ValueError(f"{self}: {channels} channels cannot be cut into {self.groups} groups")
        self.add_affine((channels,))

    def call(self, inputs):
        axis = self.axis % len(inputs.shape)
        per_group = inputs.shape[axis] // self.groups
        cut = (*inputs.shape[:axis], self.groups, per_group, *inputs.shape[axis + 1 :])
        shape = tuple(n if i in (axis, axis + 1) else 1 for i, n in enumerate(cut))
        x = ops.reshape(inputs, cut)
        mean, variance = ops.moments(x, [i for i in range(1, len(cut)) if i != axis], keepdims=True)
        return ops.reshape(self.normalize(x, mean, variance, shape), inputs.shape)

    def get_config(self):
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}


@registry.register("layer")
class RMSNormalization(Layer):
    """x / sqrt(mean(x**2) + epsilon) * scale over the features (arXiv 1910.07467).

    Parameters
    ----------
    axis : int or list of int
        The features.
    epsilon : float

    Weights: scale with the sizes of the features.
    """

    def __init__(self, axis=-1, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.epsilon = axis, epsilon

    def _axes(self, rank):
        return sorted(a % rank for a in (self.axis if isinstance(self.axis, (list, tuple)) else [self.axis]))

    def build(self, input_shape):
        self.axis = sorted(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]  # as Keras writes it
        self.scale = self.add_weight(tuple(input_shape[a] for a in self._axes(len(input_shape))), "ones", name="scale")

    def call(self, inputs):
        return ops.rms_normalization(inputs, self.scale, self.axis, self.epsilon)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@registry.register("layer")
class UnitNormalization(Layer):
    """x divided by its Euclidean norm.

    Parameters
    ----------
    axis : int or list of int
    """

    supports_masking = True

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs):
        axes = list(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]
        square = ops.sum(ops.square(inputs), axes, keepdims=True)
        return inputs * ops.rsqrt(ops.maximum(square, 1e-12))

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
