"""How many threads a run uses.

The default is the least of the CPUs that this process may use (its affinity), the CPU quota of its control
group (a container's limit) and the physical cores among those CPUs: two threads on one core share its units
for arithmetic, and a thread beyond the quota only makes the others wait. ``OMP_NUM_THREADS`` and
``threadpoolctl`` are obeyed.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from fastnn.engine import native

MAX_THREADS = 256

_chosen: int | None = None
_scoped: ContextVar[int | None] = ContextVar("fastnn_num_threads", default=None)
_openmp_at_import = native.max_openmp_threads()


def get_num_threads() -> int:
    """Return the number of threads that the next run uses at most."""
    return _current()[0]


def thread_source() -> str:
    """Return a sentence that says where the number of threads comes from."""
    return _current()[1]


def set_num_threads(n: int | None) -> None:
    """Use at most ``n`` threads from now on; ``None`` returns to the default.

    Raises
    ------
    ValueError
        ``n`` is not an integer from 1 to 256.
    """
    global _chosen
    _chosen = None if n is None else _checked(n)


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use at most ``n`` threads in the block, in this Python thread only.

    Examples
    --------
    >>> with num_threads(1):
    ...     get_num_threads()
    1
    """
    token = _scoped.set(_checked(n))
    try:
        yield
    finally:
        _scoped.reset(token)


def _checked(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_THREADS:
        raise ValueError(f"The number of threads is an integer from 1 to {MAX_THREADS}, received {n!r}.")
    return n


def _current() -> tuple[int, str]:
    if not native.openmp():
        return 1, "this build has no OpenMP"
    openmp = native.max_openmp_threads()
    if openmp != _openmp_at_import:
        return min(openmp, MAX_THREADS), "OpenMP's setting was changed at run time (threadpoolctl)"
    scoped = _scoped.get()
    if scoped is not None:
        return scoped, "num_threads() in this block"
    if _chosen is not None:
        return _chosen, "set_num_threads()"
    return _default()


@functools.cache
def _default() -> tuple[int, str]:
    if os.environ.get("OMP_NUM_THREADS"):
        return min(_openmp_at_import, MAX_THREADS), "the environment variable OMP_NUM_THREADS"
    allowed = _affinity()
    limits = [(len(allowed), "the CPUs that this process may use")]
    quota = cpu_quota()
    if quota is not None:
        limits.append((max(1, int(quota)), f"the CPU quota of its control group, {quota:g}"))
    cores = physical_cores(allowed)
    if cores is not None:
        limits.append((cores, "the physical cores that this process may use"))
    n, source = min(limits, key=lambda limit: limit[0])
    return min(n, MAX_THREADS), source


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def physical_cores(allowed: set[int], root: Path = Path("/")) -> int | None:
    """Return how many cores these CPUs belong to, or None where Linux' ``/sys`` does not tell."""
    cores = set()
    for cpu in allowed:
        siblings = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            cores.add(siblings.read_text())
        except OSError:
            return None
    return len(cores)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the CPUs that the control groups of this process (Linux, version 1 or 2) grant it, or None."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            quotas += _quotas(root / "sys/fs/cgroup", path, _quota_v2)
        elif "cpu" in controllers.split(","):
            quotas += _quotas(root / "sys/fs/cgroup/cpu", path, _quota_v1)
    return min(quotas, default=None)


def _quotas(mount: Path, path: str, read) -> list[float]:
    """Return the quotas of a group and of all groups around it: each of them binds."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    groups = [mount.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    found = []
    for group in groups:
        try:
            quota = read(group)
        except (OSError, ValueError):
            continue
        if quota is not None:
            found.append(quota)
    return found


def _quota_v2(group: Path) -> float | None:
    quota, period = (group / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(group: Path) -> float | None:
    quota = int((group / "cpu.cfs_quota_us").read_text())
    return None if quota < 0 else quota / int((group / "cpu.cfs_period_us").read_text())
