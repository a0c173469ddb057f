# Instruction sets, and what the machine can do. A part of native.pyx.

def built_isas():
    """Return the instruction sets that this build has kernels for, the best last."""
    return [fnn_isa_name(i).decode() for i in range(fnn_isa_count())]


def isas():
    """Return those of :func:`built_isas` that this CPU and operating system offer."""
    return [fnn_isa_name(i).decode() for i in range(fnn_isa_count()) if fnn_isa_supported(i)]


def isa():
    """Return the instruction set in use."""
    return fnn_isa_selected().decode()


def lanes():
    """Return the floats in a vector of the instruction set in use."""
    return fnn_isa_lanes()


def select_isa(name=None):
    """Use the kernels of this instruction set or, without a name, the best; not while a program runs."""
    if name is None:
        name = isas()[-1]
    text = name.encode()
    if fnn_isa_select(text) != 0:
        reason = "this machine does not offer it" if name in built_isas() else "this build does not know it"
        raise ValueError(f"instruction set {name!r}: {reason}. Choose one of {', '.join(isas())}.")


def compiler():
    """Return the name and version of the compiler that built this module."""
    return fnn_compiler().decode()


def openmp():
    """Return whether this module was built with OpenMP."""
    return bool(fnn_openmp())


def max_openmp_threads():
    """Return how many threads OpenMP would use: what OMP_NUM_THREADS and threadpoolctl ask for."""
    return fnn_openmp_max_threads()


def clock():
    """Return the seconds on the clock of deadlines."""
    return fnn_clock()


def measure_peak(double seconds=0.2):
    """Return the floating-point operations a second of one thread (fused multiply-adds on registers)."""
    cdef double peak
    with nogil:
        peak = fnn_measure_peak(seconds)
    return peak


def measure_bandwidth(size_t n_bytes=1 << 26, double seconds=0.2):
    """Return the bytes a second, read and written, of one thread that copies n_bytes."""
    cdef double bandwidth
    with nogil:
        bandwidth = fnn_measure_bandwidth(n_bytes, seconds)
    return bandwidth


def _after_fork():
    fnn_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
select_isa()
