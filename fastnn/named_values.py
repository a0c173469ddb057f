"""Keras' `utils.Config`: named values that can be frozen."""

import json
from collections.abc import MutableMapping


class Config(MutableMapping):
    """A dict whose values are attributes too.

    Parameters
    ----------
    **kwargs
        The first values.

    Examples
    --------
    >>> config = Config(rate=0.1)
    >>> config.seed = 3
    >>> config["rate"], config.as_dict()
    (0.1, {'rate': 0.1, 'seed': 3})
    """

    def __init__(self, **kwargs):
        vars(self).update(_values=kwargs, _frozen=False)

    @property
    def frozen(self):
        """Whether values can no longer be changed."""
        return self._frozen

    def freeze(self):
        """Refuse changes from now on."""
        vars(self)["_frozen"] = True

    def unfreeze(self):
        """Allow changes again."""
        vars(self)["_frozen"] = False

    def as_dict(self):
        """The values as a dict of its own."""
        return dict(self._values)

    def to_json(self):
        """The values as JSON."""
        return json.dumps(self._values)

    def _check_open(self):
        if self._frozen:
            raise ValueError("The Config is frozen: call unfreeze() to change it")

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"Config has no value {name!r}: it has {sorted(self._values)}")
        return self._values[name]

    def __setattr__(self, name, value):
        self[name] = value

    def __getitem__(self, name):
        return self._values[name]

    def __setitem__(self, name, value):
        self._check_open()
        self._values[name] = value

    def __delitem__(self, name):
        self._check_open()
        del self._values[name]

    def __iter__(self):
        return iter(sorted(self._values))

    def __len__(self):
        return len(self._values)

    def __repr__(self):
        return f"<Config {self._values}>"
