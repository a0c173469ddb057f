"""A process with one model of one library, which times what it is asked for, one round at a time.

    python worker.py MODULE VARIANT WORKLOAD STEPS THREADS

It answers once when the model has started, then reads a JSON object a line and answers each with another.  MODULE
defines `Peer`; the README says what a Peer offers.
"""

import importlib
import json
import os
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import numpy as np
from network import initial_weights
from workloads import WORKLOADS, data

SETTLING = 0.03  # seconds of calls before a round: threads that are woken may share a CPU at first
CHECK_STEPS = 30  # training steps, at most, until the loss is below the first
# What is timed, and the method of a Peer that does it.
METHODS = {"train": "train", "fit": "fit", "forward": "forward", "predict": "predict", "row": "predict"}
PREDICTED_ROWS = {"predict": None, "row": 1}  # None: the batch


def use_cpus(count):
    """Restrict the process to so many CPUs, if possible one of each core: a library cannot start more threads."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.setdefault(siblings.read_text() if siblings.exists() else cpu, []).append(cpu)
    first_of_each = [cpus[0] for cpus in cores.values()]
    others = [cpu for cpus in cores.values() for cpu in cpus[1:]]
    os.sched_setaffinity(0, (first_of_each + others)[:count])


def peak_memory():
    """Bytes of memory that the process has held at most."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def elapsed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


class Timer:
    """Rounds of what `_run(what)`, a function of a count, does so many times."""

    def __init__(self):
        self.counts, self.called = {}, set()

    def round(self, what, seconds):
        """Seconds of one of it in a round of about so many seconds.

        The first round is one call, in which a library may compile; the second one finds how many calls a round has.
        """
        run, count = self._run(what), self.counts.get(what, 1)
        if what not in self.called:
            self.called.add(what)
            return {"seconds": elapsed(run, 1)[0]}
        end = time.perf_counter() + SETTLING
        while self.counts.get(what) != 1 and time.perf_counter() < end:
            run(1)
        took = elapsed(run, count)[0]
        while what not in self.counts and took < seconds / 2:
            count = int(count * min(max(seconds / took, 2), 10))
            took = elapsed(run, count)[0]
        self.counts[what] = count
        return {"seconds": took / count}


class NetworkTimer(Timer):
    """The rounds of one library with one workload."""

    def __init__(self, module, variant, workload, threads, steps):
        super().__init__()
        self.workload, self.steps = workload, steps
        self.weights = initial_weights(workload)
        x, y = self.x, _ = data(workload, steps)
        seconds, library = elapsed(importlib.import_module, module)
        self.facts = {"import": seconds, "version": library.VERSION}
        seconds, self.peer = elapsed(self._first_step, library, workload, x, y, variant, threads)
        if self.offers("train"):
            self.facts["first"] = seconds

    def _first_step(self, library, workload, x, y, variant, threads):
        peer = library.Peer(workload, self.weights, x, y, variant, threads)
        self.curve = [peer.train(1)] if hasattr(peer, "train") else []
        return peer

    def offers(self, what):
        return hasattr(self.peer, METHODS[what])

    def start(self):
        """Facts, and what the driver compares: losses of the first steps, predictions with the initial weights."""
        answer = {"offers": [what for what in METHODS if self.offers(what)], **self.facts}
        if self.offers("train"):
            self.curve.append(self.peer.train(1))
            answer["curve"] = self.curve if getattr(self.peer, "same_curve", True) else self.curve[:0]
        if self.offers("predict"):
            if hasattr(self.peer, "set_weights"):
                self.peer.set_weights(self.weights)
            predictions = self._run("predict")(1)
            answer["predictions"] = np.asarray(predictions, np.float64).ravel().tolist()
            answer["forward"] = np.asarray(self.peer.forward(1), np.float64).ravel().tolist()
        if self.offers("train"):
            answer["losses"] = self._losses()
        return answer

    def _losses(self):
        losses = [self.peer.train(1)]
        while len(losses) < 2 or (len(losses) < CHECK_STEPS and not losses[-1] < losses[0]):
            losses.append(self.peer.train(1))
        return losses

    def round(self, what, seconds):
        answer = super().round(what, seconds)
        return {"seconds": answer["seconds"] / (self.steps if what == "fit" else 1)}

    def _run(self, what):
        method = getattr(self.peer, METHODS[what])
        if what in PREDICTED_ROWS:
            return partial(method, x=self.x[: PREDICTED_ROWS[what] or self.workload.batch])
        if what != "fit":
            return method

        def epochs(count):
            for _ in range(count):
                method()

        return epochs

    def first_fits(self):
        return self.peer.first_fits()

    def program(self):
        return self.peer.program()

    def memory(self):
        return {"memory": peak_memory()}


def serve(threads, make):
    """Answer with what `make().start()` returns, then each request with the method of that name."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes with its errors
    use_cpus(threads)
    timer = None
    while True:
        if timer is not None:
            line = sys.stdin.readline()
            if not line:
                return
            request = json.loads(line)
        try:
            if timer is None:
                timer = make()
                answer = timer.start()
            else:
                answer = getattr(timer, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)
        if timer is None:
            return


def main():
    module, variant, name, steps, threads = sys.argv[1:]
    workload = next(w for w in WORKLOADS if w.name == name)
    serve(int(threads), lambda: NetworkTimer(module, variant, workload, int(threads), int(steps)))


if __name__ == "__main__":
    main()
