"""Types of the compiled module ``native.pyx``."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fastnn.engine.steps import Code, Step

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:
    Buffer = Any

class RowIndexError(IndexError):
    step: int
    value: int
    done: int
    def __init__(self, step: int, value: int, done: int = 0) -> None: ...

class Feed(NamedTuple):
    base: int
    array: Buffer
    integer: bool = False
    index: Buffer | None = None  # type: ignore[assignment]  # hides tuple.index
    batch: int = 1

class Drain(NamedTuple):
    base: int
    array: Buffer
    stride_bytes: int = 0

class AlignedBuffer:
    @property
    def nbytes(self) -> int: ...
    def __init__(self, nbytes: int) -> None: ...
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class NativeProgram:
    def __init__(self, steps: Iterable[Step], n_bases: int, share_above: float = 20e3) -> None: ...
    @property
    def n_steps(self) -> int: ...
    @property
    def n_bases(self) -> int: ...
    @property
    def scratch_bytes(self) -> int: ...
    @property
    def step_work(self) -> list[float]: ...
    @property
    def step_chunks(self) -> list[int]: ...
    @property
    def step_phases(self) -> list[int]: ...
    @property
    def base_bytes(self) -> list[int]: ...
    def bind(self, bases: Iterable[Buffer | None]) -> Binding: ...
    def run(
        self,
        bases: Iterable[Buffer | None],
        feeds: Iterable[Feed] = (),
        drains: Iterable[Drain] = (),
        first: int = 0,
        count: int = 1,
        iteration_slot: tuple[int, int] | None = None,
        iteration: int = 0,
        seed: int = 0,
        random_step: int = 0,
        threads: int = 1,
        deadline: float = 0.0,
        begin: int = 0,
        end: int = -1,
        profile: Buffer | None = None,
    ) -> int: ...

class Binding:
    @property
    def program(self) -> NativeProgram: ...
    def __init__(self, program: NativeProgram, bases: Iterable[Buffer | None]) -> None: ...
    def run(
        self,
        feeds: Iterable[Feed] = (),
        drains: Iterable[Drain] = (),
        first: int = 0,
        count: int = 1,
        iteration_slot: tuple[int, int] | None = None,
        iteration: int = 0,
        seed: int = 0,
        random_step: int = 0,
        threads: int = 1,
        deadline: float = 0.0,
        begin: int = 0,
        end: int = -1,
        profile: Buffer | None = None,
    ) -> int: ...

class BatchCall:
    @property
    def shared(self) -> bool: ...
    def __init__(
        self,
        idle: list[tuple[Binding, Any, None]],
        make: Callable[[], tuple[Binding, Any, Any]],
        inputs: Iterable[Feed],
        drains: Iterable[Drain],
        limits: tuple[int, int] | None,
        quotients: Iterable[tuple[Buffer, Buffer]],
        counter: Buffer | None,
        iteration_slot: tuple[int, int] | None,
        explain: Callable[[RowIndexError], str],
    ) -> None: ...
    def __call__(
        self, arrays: tuple[Buffer, ...], seed: int, random_step: int, threads: int = 1
    ) -> list[Any] | None: ...

class BatchCalls:
    def __init__(self, threads: Callable[[], int]) -> None: ...
    def clear(self) -> None: ...
    def add(
        self,
        kind: object,
        call: BatchCall,
        condition: Callable[[], bool],
        noted: bool,
        finish: Callable[[list[Any]], Any] | None,
    ) -> None: ...
    def results(self, kind: object, arrays: tuple[object, ...], seed: int | None, random_step: int) -> Any: ...

def note_change() -> None: ...
def changes() -> int: ...
def note_trace(begun: int) -> None: ...
def aligned_empty(n_bytes: int) -> AlignedBuffer: ...
def run_step(
    kernel: str,
    dims: Mapping[str, int],
    arrays: Sequence[Buffer],
    code: Code | None = None,
    threads: int = 1,
) -> None: ...
def steps() -> dict[str, tuple[str, tuple[str, ...]]]: ...
def opcodes() -> list[tuple[str, int]]: ...
def built_isas() -> list[str]: ...
def isas() -> list[str]: ...
def isa() -> str: ...
def lanes() -> int: ...
def select_isa(name: str | None = None) -> None: ...
def compiler() -> str: ...
def openmp() -> bool: ...
def max_openmp_threads() -> int: ...
def clock() -> float: ...
def measure_peak(seconds: float = 0.2) -> float: ...
def measure_bandwidth(n_bytes: int = ..., seconds: float = 0.2) -> float: ...
