"""Interruptions: Ctrl-C, SIGTERM and SIGHUP end a program alike, whatever it is doing, within seconds.

Python hears of a signal between two steps of its main thread, and then raises KeyboardInterrupt there. That is not
enough: it is lost where Python or a library ignores what is raised (in a callback, in `__del__`, in the midst of an
import), and comes late where the main thread is in compiled code. So it is raised again where Python says that it
ignored it; during an import the process ends at once; and a thread that hears of signals whatever the main one does
ends the process where that has not done so in GRACE_S, or when Ctrl-C is pressed again.
"""

import atexit
import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any

from genedge.files import remove_unfinished

STATUS = 130

# As long may the work take to tidy up: to keep a checkpoint, to end other processes.
GRACE_S = 3.0
# Some programs pass on a Ctrl-C that the terminal has sent already; so soon after another it is the same one.
SAME_S = 0.5
# How often a worker looks whether its parent still lives.
LOOK_EVERY_S = 1.0
# In this time a worker's main thread hears that it ends, unless it is in compiled code, where it begins no file.
MAIN_WITHIN_S = 0.2

# In the midst of what Python sends when a signal comes, which are numbers from 1.
LOST = b"\0"


class _State:
    """Of this process, as signals are."""

    asked = False  # By a signal, to end.
    raised = False  # What is to be raised for it has been.
    status: int | None = None  # With which the process ends, once everything is done and told.
    remedy = ""  # How to go on with what was interrupted.


_state = _State()


def listen() -> None:
    """From here on, Ctrl-C, SIGTERM and SIGHUP interrupt this program, to its very end.

    What was told to ignore them (in the background, under nohup) goes on to ignore Ctrl-C and SIGHUP.
    """
    numbers = _signals("SIGINT", "SIGTERM", "SIGHUP")
    with _held_back(numbers):  # What comes meanwhile is heard once all of it is there.
        for number in numbers:
            if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _interrupt)
        heard, said = _wakeups()
        ignored = sys.unraisablehook

        def hook(told: Any) -> None:
            if _state.raised and issubclass(told.exc_type, KeyboardInterrupt):
                os.write(said, LOST)
            else:
                ignored(told)

        sys.unraisablehook = hook
        atexit.register(_leave)
        threading.Thread(target=_watch, args=(heard,), daemon=True).start()


def starts() -> None:
    """Says that a piece of work starts; in a process that does several, nothing is left of those before."""
    _state.status, _state.remedy = None, ""


def asked() -> bool:
    """Whether a signal has asked this process to end."""
    return _state.asked


def told() -> str:
    """What to say of an interruption, with what goes on from there."""
    return f"interrupted; {_state.remedy}" if _state.remedy else "interrupted"


def ends(status: int) -> None:
    """Says that all is done and told but what was left to do at the exit, which a signal may only hasten.

    After an interruption there is nothing more to do: compiled code that was cut short has crashed there.

    Args:
        status: with which the process ends.
    """
    _state.status = status
    if _state.asked:
        os._exit(status)


@contextlib.contextmanager
def resumable(remedy: str) -> Iterator[None]:
    """Work that can be gone on with once it was interrupted.

    Args:
        remedy: how, in words for the user.
    """
    _state.remedy = remedy
    yield
    _state.remedy = ""  # Not where it was interrupted: it is told at the end.


def serve_behind(parent: int) -> None:
    """Makes this process a worker that runs when nobody else wants the core.

    Args:
        parent: the parent's process id.
    """
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(19)
    serve(parent)


def serve(parent: int) -> None:
    """Makes this process a worker: Ctrl-C is its parent's matter; it ends when told to, and with its parent.

    At once, also in the midst of compiled code, and however the parent ended.

    Args:
        parent: the parent's process id.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end(number: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        remove_unfinished()
        os._exit(STATUS)

    for number in _signals("SIGTERM", "SIGHUP"):
        signal.signal(number, end)
    main = threading.main_thread().ident
    assert main is not None
    heard, _ = _wakeups()
    heard.settimeout(LOOK_EVERY_S)

    def watch() -> None:
        while os.getppid() == parent:
            with contextlib.suppress(TimeoutError):
                heard.recv(1)
                break
        # The main thread ends it where it can, as it begins no file then that would be left behind.
        signal.pthread_kill(main, signal.SIGTERM)
        time.sleep(MAIN_WITHIN_S)
        end()

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def no_ctrl_c_for_children() -> Iterator[None]:
    """Processes started within never hear Ctrl-C, not even before they can say so; this one hears it as ever."""
    with _held_back(_signals("SIGINT")):
        yield


@contextlib.contextmanager
def _held_back(numbers: Collection[signal.Signals]) -> Iterator[None]:
    """Signals that come meanwhile come afterwards, where the system can hold them back."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signals(*names: str) -> list[signal.Signals]:
    return [signal.Signals[name] for name in names if hasattr(signal, name)]


def _wakeups() -> tuple[socket.socket, int]:
    """Where to hear of signals at once, and the other end of it, which stays open as long as the process lives."""
    heard, other = socket.socketpair()
    other.setblocking(False)
    said = other.detach()
    signal.set_wakeup_fd(said, warn_on_full_buffer=False)
    return heard, said


def _interrupt(number: int, frame: FrameType | None) -> None:
    _state.asked = True
    if _state.status is not None or _imports(frame):
        _end()
    if not _state.raised:
        _state.raised = True
        raise KeyboardInterrupt


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported: nothing is at stake then, and compiled ones crash if it fails midway."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _leave() -> None:
    """Ends the process, as what was registered first is done last; in Python's own end no signal is heard."""
    if _state.status is not None:
        os._exit(_state.status)


def _watch(heard: socket.socket) -> None:
    heard.recv(1)
    _state.asked = True
    main = threading.main_thread().ident
    assert main is not None
    first = time.monotonic()
    while _state.status is None and (left := first + GRACE_S - time.monotonic()) > 0:
        heard.settimeout(left)
        try:
            said = heard.recv(1)
        except TimeoutError:
            break
        if said == LOST:
            time.sleep(0.05)  # Until what ignored it is left.
            _state.raised = False
            # Also wakes it up where it waits. Heard here too, where only SIGINT is somebody's impatience.
            signal.pthread_kill(main, signal.SIGTERM)
        elif said[0] == signal.SIGINT and time.monotonic() > first + SAME_S:
            break
    _end()


def _end() -> None:
    """Ends the process at once, whatever the main thread is doing."""
    status = _state.status
    if status is None:
        status = STATUS
        remove_unfinished()
        # A bar of progress hides the cursor of its terminal. Nobody waits for a pipe that nobody reads.
        message = f"\x1b[?25h\ngenedge: {told()}\n" if os.isatty(2) else f"genedge: {told()}\n"
        with contextlib.suppress(OSError):
            if select.select([], [2], [], 0)[1]:
                os.write(2, message.encode())
    os._exit(status)
