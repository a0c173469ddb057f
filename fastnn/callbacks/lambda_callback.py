"""A callback made of functions."""

from fastnn.callbacks.callback import Callback
from fastnn.saving import registry


@registry.register("callback")
class LambdaCallback(Callback):
    """A callback whose hooks are given as functions, with the arguments of the hooks of `Callback`.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        ``f(epoch, logs)``
    on_train_begin, on_train_end : callable, optional
        ``f(logs)``
    on_train_batch_begin, on_train_batch_end : callable, optional
        ``f(batch, logs)``
    **kwargs
        Further hooks, or attributes.
    """

    def __init__(
        self, on_epoch_begin=None, on_epoch_end=None, on_train_begin=None, on_train_end=None,
        on_train_batch_begin=None, on_train_batch_end=None, **kwargs,
    ):  # fmt: skip
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        vars(self).update(kwargs)
        vars(self).update({name: function for name, function in hooks.items() if function is not None})
