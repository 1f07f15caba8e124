import signal
import threading
from collections.abc import Iterator

import pytest

from elifpose.training.stop_signals import StopSignals


@pytest.fixture
def stop() -> Iterator[StopSignals]:
    assert threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signals = StopSignals()
    signals.install()
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(number: signal.Signals, stop: StopSignals) -> None:
    assert stop.received is None
    signal.raise_signal(number)
    assert stop.received is number


def test_a_second_interrupt_stops_at_once(stop: StopSignals, capfd: pytest.CaptureFixture[str]) -> None:
    signal.raise_signal(signal.SIGINT)
    assert "once more stops at once" in capfd.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stop.received is signal.SIGINT


def test_terminating_twice_is_terminating_once(stop: StopSignals, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        signal.raise_signal(signal.SIGTERM)
    assert stop.received is signal.SIGTERM
    assert not capfd.readouterr().err


@pytest.mark.parametrize("order", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
def test_of_both_signals_the_first_counts_and_a_second_interrupt_still_stops(
    order: tuple[signal.Signals, signal.Signals], stop: StopSignals
) -> None:
    for number in order:
        signal.raise_signal(number)
    assert stop.received is order[0]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_thread_leaves_the_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=StopSignals().install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
