"""Fourier transforms: they run in NumPy, in float64 inside.  Complex numbers are pairs (real, imaginary)."""

import numpy as np

from fastnn.graph.program import apply
from fastnn.ops.primitive import Primitive
from fastnn.ops.products import as_floats
from fastnn.ops.rows import add_windows, take
from fastnn.ops.shape import pad, swapaxes, tensor_like
from fastnn.ops.statistics import periodic_window
from fastnn.ops.windows import window_places


class Fourier(Primitive):
    """y[k] = sum_n x[n] exp(sign 2 pi i n k / N) along the last axis; its transpose is the one of the other sign."""

    n_outputs = 2

    def infer(self, real, imaginary, sign):
        if real.shape != imaginary.shape or not real.shape:
            raise ValueError(f"fft: expected two parts of one shape, received {real.shape} and {imaginary.shape}")
        return [(real.shape, real.dtype)] * 2

    def reference(self, real, imaginary, sign):
        x = np.asarray(real, np.float64) + 1j * np.asarray(imaginary, np.float64)
        y = np.fft.fft(x) if sign < 0 else np.fft.ifft(x, norm="forward")
        return y.real.astype(real.dtype), y.imag.astype(real.dtype)

    def gradient(self, gradients, inputs, outputs, sign):
        return apply(_fourier, *_both(gradients, outputs), sign=-sign)


class RealFourier(Primitive):
    """The Fourier transform of real numbers, k = 0 .. N/2: the others are conjugates."""

    n_outputs = 2

    def infer(self, x):
        return [((*x.shape[:-1], x.shape[-1] // 2 + 1), x.dtype)] * 2

    def reference(self, x):
        y = np.fft.rfft(np.asarray(x, np.float64))
        return y.real.astype(x.dtype), y.imag.astype(x.dtype)

    def gradient(self, gradients, inputs, outputs):
        return (apply(_waves, *_both(gradients, outputs), length=inputs[0].shape[-1]),)


class Waves(Primitive):
    """x[n] = Re sum_k y[k] exp(2 pi i n k / N) for N = `length` and k = 0 .. N/2: the transpose of `RealFourier`."""

    def infer(self, real, imaginary, length):
        return [((*real.shape[:-1], length), real.dtype)]

    def reference(self, real, imaginary, length):
        y = np.asarray(real, np.float64) + 1j * np.asarray(imaginary, np.float64)
        return np.fft.irfft(y / _multiplicity(length), length, norm="forward").astype(real.dtype)

    def gradient(self, gradients, inputs, outputs, length):
        return apply(_real_fourier, gradients[0])


_fourier, _real_fourier, _waves = Fourier("fourier"), RealFourier("real_fourier"), Waves("waves")


def _both(gradients, outputs):
    """A gradient for each of the two parts."""
    return [y * 0.0 if g is None else g for g, y in zip(gradients, outputs, strict=True)]


def _multiplicity(length):
    """How often each of the k = 0 .. N/2 occurs among all N: once for 0 and N/2, else as itself and its conjugate."""
    k = np.arange(length // 2 + 1)
    return np.where((k == 0) | (2 * k == length), 1.0, 2.0)


def _parts(x, name):
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"{name}: expected a pair (real, imaginary), received {type(x).__name__}")
    real, imaginary = (as_floats(tensor_like(part)) for part in x)
    if tuple(real.shape) != tuple(imaginary.shape) or real.ndim == 0:
        raise ValueError(
            f"{name}: expected two parts of one shape, received {tuple(real.shape)} and {tuple(imaginary.shape)}"
        )
    return real, imaginary


def fft(x):
    """y[k] = sum_n x[n] exp(-2 pi i n k / N) along the last axis.

    Parameters
    ----------
    x : (real, imaginary)
        Two tensors of one shape.

    Returns
    -------
    (real, imaginary)
    """
    return apply(_fourier, *_parts(x, "fft"), sign=-1)


def _over_two_axes(x, name, sign):
    real, imaginary = _parts(x, name)
    if real.ndim < 2:
        raise ValueError(f"{name}: expected two axes or more, received shape {tuple(real.shape)}")
    across = apply(_fourier, real, imaginary, sign=sign)
    down = apply(_fourier, *(swapaxes(part, -1, -2) for part in across), sign=sign)
    return tuple(swapaxes(part, -1, -2) for part in down)


def fft2(x):
    """`fft` along the last two axes."""
    return _over_two_axes(x, "fft2", -1)


def ifft2(x):
    """The inverse of `fft2`."""
    real, imaginary = _over_two_axes(x, "ifft2", 1)
    count = real.shape[-1] * real.shape[-2]
    return real / count, imaginary / count


def _cut_or_filled(x, length):
    """The last axis cut, or filled with zeros, to a length."""
    if x.shape[-1] >= length:
        return x[..., :length]
    return pad(x, [(0, 0)] * (x.ndim - 1) + [(0, length - x.shape[-1])])


def rfft(x, fft_length=None):
    """The Fourier transform of a real tensor along its last axis, k = 0 .. N/2.

    Parameters
    ----------
    x : tensor of shape (..., n)
    fft_length : int, optional
        N: x is cut, or filled with zeros, to this length.

    Returns
    -------
    (real, imaginary), both (..., N // 2 + 1)
    """
    x = as_floats(tensor_like(x))
    return apply(_real_fourier, x if fft_length is None else _cut_or_filled(x, fft_length))


def irfft(x, fft_length=None):
    """The inverse of `rfft`.

    Parameters
    ----------
    x : (real, imaginary), both (..., k)
    fft_length : int, optional
        N; 2 (k - 1) unless given.

    Returns
    -------
    tensor of shape (..., N)
    """
    real, imaginary = _parts(x, "irfft")
    length = 2 * (real.shape[-1] - 1) if fft_length is None else fft_length
    if length < 1:
        raise ValueError(f"irfft: nothing comes out of a length of {length}: give fft_length")
    share = (_multiplicity(length) / length).astype(str(real.dtype))
    return apply(_waves, *(_cut_or_filled(p, length // 2 + 1) * share for p in (real, imaginary)), length=length)


# --- sequences of short transforms ----------------------------------------------------------------------------------


def extract_sequences(x, sequence_length, sequence_stride):
    """Windows of the last axis, a stride apart: (..., n) becomes (..., windows, sequence_length)."""
    x = tensor_like(x)
    return take(x, window_places(x.shape[-1], sequence_length, sequence_stride, name="extract_sequences"), axis=-1)


def _added_sequences(frames, stride):
    """The transpose of `extract_sequences`: windows (..., windows, length) added up at their places."""
    count, length = frames.shape[-2:]
    size = (count - 1) * stride + length
    return add_windows(frames, len(frames.shape) - 2, window_places(size, length, stride), size)


def _window(window, sequence_length, fft_length, name):
    """The window in the middle of `fft_length` elements, an array."""
    if fft_length < sequence_length:
        raise ValueError(f"{name}: fft_length must be at least sequence_length: {fft_length} < {sequence_length}")
    if window is None:
        return np.ones(fft_length)
    values = periodic_window(window, sequence_length) if isinstance(window, str) else np.asarray(window, np.float64)
    if values.shape != (sequence_length,):
        raise ValueError(f"{name}: the window must have the shape ({sequence_length},), received {values.shape}")
    before = (fft_length - sequence_length) // 2
    return np.pad(values, (before, fft_length - sequence_length - before))


def stft(x, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    """Fourier transforms of windows of a signal.

    Parameters
    ----------
    x : tensor of shape (..., n)
    sequence_length, sequence_stride : int
        Length of a window, and how far apart they are.
    fft_length : int
        At least sequence_length; windows are filled with zeros on both sides.
    window : {"hann", "hamming"}, array of shape (sequence_length,), or None
        Factors of the elements in a window.
    center : bool
        The signal is reflected at both ends, so that window i lies around element i * sequence_stride.

    Returns
    -------
    (real, imaginary), both (..., windows, fft_length // 2 + 1)
    """
    x = as_floats(tensor_like(x))
    values = _window(window, sequence_length, fft_length, "stft").astype(str(x.dtype))
    if center:
        x = pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    return rfft(extract_sequences(x, fft_length, sequence_stride) * values)


def istft(x, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True):
    """The inverse of `stft`: windows are added up, divided by the sum of the squares of the factors there.

    Parameters
    ----------
    x : (real, imaginary), both (..., windows, fft_length // 2 + 1)
    sequence_length, sequence_stride, fft_length, window, center
        As of `stft`. Without a window the sum is divided as if windows overlapped evenly.
    length : int, optional
        How many elements come out.

    Returns
    -------
    tensor of shape (..., n)
    """
    real, imaginary = _parts(x, "istft")
    if real.ndim < 2:
        raise ValueError(f"istft: expected (..., windows, frequencies), received shape {tuple(real.shape)}")
    values = _window(window, sequence_length, fft_length, "istft")
    count = real.shape[-2]
    weight = _added_sequences(np.broadcast_to(values**2, (count, fft_length)), sequence_stride)
    scale = 1.0 if window is not None else fft_length / sequence_stride
    factor = np.where(weight > 1e-10, scale / np.maximum(weight, 1e-10), scale).astype(str(real.dtype))
    frames = irfft((real, imaginary), fft_length) * values.astype(str(real.dtype))
    signal = _added_sequences(frames, sequence_stride) * factor
    start = fft_length // 2 if center else 0
    if length is None:
        return signal[..., start : signal.shape[-1] - start]
    return _cut_or_filled(signal[..., start:], length)
