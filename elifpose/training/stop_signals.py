"""Ctrl-C and SIGTERM, noted rather than obeyed at once: a fit stops between two steps."""

import os
import signal
import threading
from types import FrameType

from lightning.pytorch.utilities import rank_zero_only

_NOTICE = b"\nelifpose: stopping after this step; Ctrl-C once more stops at once, and saves nothing\n"


class StopSignals:
    """Notes the first SIGINT or SIGTERM that this process gets.

    A second SIGINT raises `KeyboardInterrupt`, wherever the process is; further SIGTERMs change nothing.

    Attributes:
        received: The signal; None so far.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._interrupted = False

    def install(self) -> None:
        """Take the place of the handlers that there are; whoever runs the fit puts them back at its end."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if number == signal.SIGINT and self._interrupted:
            raise KeyboardInterrupt
        self.received = self.received or signal.Signals(number)
        if number == signal.SIGINT:
            self._interrupted = True
            if getattr(rank_zero_only, "rank", 0) == 0:
                os.write(2, _NOTICE)  # print and logging may be what was interrupted
