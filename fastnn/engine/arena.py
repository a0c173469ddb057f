"""The memory of results, used by one program after the other: training, validation, the smaller last batch."""

import weakref

import numpy as np

from fastnn.engine import native

SPARE = 8  # a program holds at most so many times what it needs: a small model does not keep the memory of a large one


class Arena:
    """A block for the results of one run at a time.

    It lives as long as a program that has used it; any other program that it is large enough for may use it meanwhile.
    """

    __slots__ = ("__weakref__", "_idle", "_user", "memory")

    _all: tuple = ()  # weak references to all there are

    def __init__(self, n_bytes):
        self.memory, self._idle = native.aligned_empty(n_bytes), []
        self._user = None  # a weak reference to the last one
        Arena._all = (*(r for r in Arena._all if r() is not None), weakref.ref(self))

    @classmethod
    def taken(cls, n_bytes):
        """An arena with room for n_bytes, taken: an idle one that is not much too large, or else a new one."""
        for reference in cls._all:
            arena = reference()
            if arena is not None and n_bytes <= arena.memory.nbytes <= SPARE * n_bytes and arena.take():
                return arena
        return cls(n_bytes)

    def take(self):
        """True if the arena was idle and is now the caller's; several threads may ask."""
        try:
            return self._idle.pop()
        except IndexError:
            return False

    def give_back(self):
        """The run has ended."""
        self._idle.append(True)

    def prepare_for(self, user, reserved):
        """Zero the first `reserved` bytes if another program has used the arena since."""
        if self._user is None or self._user() is not user:
            self._user = weakref.ref(user)
            np.frombuffer(self.memory, np.uint8)[:reserved] = 0
