"""Smoothing while the camera runs: little delay in fast movement, little jitter in slow."""

import math
from typing import final

import numpy as np

from elifpose.biomechanics.points import BoolArray, FloatArray


@final
class OneEuroFilter:
    """A first-order low-pass whose cut-off grows with speed (Casiez, Roussel & Vogel, CHI 2012, "1€ filter").

    Each component is smoothed by itself. A missing component (NaN) gives NaN, and is taken up again with the time
    since it was last seen: after a long gap the new value counts alone.

    The defaults are for joint angles in degrees: of those tried on a stick figure's walking and standing at 30 and 60
    frames per second, with keypoints 2 and 5 pixels off, the best.

    Args:
        min_cutoff_hz: Cut-off at rest.
        beta: Hertz of cut-off per unit of speed (unit of the values per second).
        derivative_cutoff_hz: Cut-off of the speed itself.

    Raises:
        ValueError: If a cut-off is not positive or ``beta`` is negative.
    """

    def __init__(self, min_cutoff_hz: float = 2.0, beta: float = 0.02, derivative_cutoff_hz: float = 4.0) -> None:
        if not (0 < min_cutoff_hz < math.inf and 0 < derivative_cutoff_hz < math.inf and 0 <= beta < math.inf):
            given = f"{min_cutoff_hz}, {derivative_cutoff_hz} and {beta}"
            raise ValueError(f"cut-offs must be positive and beta not negative, but they are {given}")
        self.min_cutoff_hz = min_cutoff_hz
        self.beta = beta
        self.derivative_cutoff_hz = derivative_cutoff_hz
        self._time: FloatArray | None = None  # when each component was last seen; NaN if never
        self._smooth = self._speed = np.zeros(0)

    def __call__(self, values: FloatArray, time_s: float) -> FloatArray:
        """The next values, smoothed.

        Args:
            values: Any shape, the same in each call; any unit; NaN where missing.
            time_s: Seconds; later than in the call before.

        Returns:
            Float64 of the same shape, NaN where ``values`` are not finite.

        Raises:
            ValueError: If the shape changes or time does not advance.
        """
        values = np.array(values, dtype=np.float64)
        if self._time is None:
            self._time = np.full(values.shape, np.nan)
            self._smooth, self._speed = np.zeros(values.shape), np.zeros(values.shape)
        if values.shape != self._time.shape:
            raise ValueError(f"values have the shape {values.shape} after {self._time.shape} before")
        if not (time_s > self._time[np.isfinite(self._time)]).all():
            raise ValueError(f"time does not advance: {time_s} s is not after the frame before")
        seen = np.isfinite(values)
        known = seen & np.isfinite(self._time)
        self._update(known, values[known], time_s - self._time[known])
        new = seen & ~known
        self._smooth[new], self._speed[new] = values[new], 0.0
        self._time[seen] = time_s
        return np.where(seen, self._smooth, np.nan)

    def _update(self, at: BoolArray, values: FloatArray, elapsed_s: FloatArray) -> None:
        """Move the components ``at`` a mask towards their new values."""
        before = self._smooth[at]
        weight = _weight(np.full_like(values, self.derivative_cutoff_hz), elapsed_s)
        speed = self._speed[at] + weight * ((values - before) / elapsed_s - self._speed[at])
        cutoff_hz = self.min_cutoff_hz + self.beta * np.abs(speed)
        self._smooth[at] = before + _weight(cutoff_hz, elapsed_s) * (values - before)
        self._speed[at] = speed


def _weight(cutoff_hz: FloatArray, elapsed_s: FloatArray) -> FloatArray:
    """Share of the new value in exponential smoothing with that cut-off."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * elapsed_s))
