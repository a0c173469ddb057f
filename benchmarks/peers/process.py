"""The driver's end of worker processes: one for each library, asked in turn, and stopped while another one works."""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from imports import WITH_BYTECODE

HERE = Path(__file__).resolve().parent
ROUNDS, LEAST_ROUNDS = 5, 3  # fewer of what takes long
PATIENCE = 180  # seconds for one answer: compiling the largest network takes a minute
QUIET = 0.25  # seconds before a request where no process can be stopped: threads spin for 0.2 after their last call
STOPS = hasattr(signal, "SIGSTOP")
SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1", **WITH_BYTECODE}


class LibraryError(Exception):
    """A library could not do what it was asked for."""


class Worker:
    """A process that runs `script` of this folder, whose other end is `worker.serve`.

    The threads of many libraries spin for a while after a call, on the CPUs of the next library that is asked: so the
    process runs only while an answer is awaited.
    """

    def __init__(self, script, *arguments, threads, settings=()):
        search = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **SETTINGS, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": search}
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, HERE / script, *arguments, str(threads)], env={**environment, **dict(settings)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, cwd=HERE,
        )  # fmt: skip
        self.hangs = False
        atexit.register(self.stop)  # a stopped process does not see that its input has ended
        self.started = self._answer()

    def ask(self, do, **options):
        self._signal("SIGCONT")
        if not STOPS:
            time.sleep(QUIET)
        try:
            print(json.dumps({"do": do, **options}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise LibraryError(self._last_words()) from None
        return self._answer()

    def _signal(self, name):
        if STOPS:
            self.process.send_signal(getattr(signal, name))

    def _answer(self):
        alarm = threading.Timer(PATIENCE, self._give_up)
        alarm.start()
        line = self.process.stdout.readline()
        alarm.cancel()
        answer = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            self.stop()
            raise LibraryError(answer["error"])
        self._signal("SIGSTOP")
        return answer

    def _give_up(self):
        self.hangs = True
        self.process.kill()

    def _last_words(self):
        self.process.wait()
        if self.hangs:
            return f"no answer within {PATIENCE} seconds"
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors.read().splitlines() if line.strip()]
        return " / ".join([f"ended with code {self.process.returncode}", *lines[-3:]])[:300]

    def stop(self):
        self._signal("SIGCONT")
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def rounds(workers, what, seconds, drop):
    """{name of a worker: seconds of one step in each round}; another one begins each round.

    workers : dict
        By name, those that offer `what`.
    drop : function
        Called with the name of a worker that failed, and its error.
    """
    found = {name: [] for name in workers}
    end = time.perf_counter() + 3 * seconds * len(found)
    for i in range(-1, ROUNDS):  # the first round is one call, in which a library may compile, and is not kept
        if i >= LEAST_ROUNDS and time.perf_counter() > end:
            break
        turn = list(found)
        for name in turn[i % len(turn) :] + turn[: i % len(turn)] if turn else []:
            try:
                took = workers[name].ask("round", what=what, seconds=seconds / ROUNDS)["seconds"]
            except LibraryError as problem:
                drop(name, problem)
                del found[name]
                continue
            if i >= 0:
                found[name].append(took)
    return found
