"""The results against the targets: each a `Verdict`, reached or missed."""

import statistics
from typing import NamedTuple

import targets
from rounds import fastest_peer, find, quotients, ratios, spread


class Verdict(NamedTuple):
    """One target and what was measured; both in the same unit, which the column of the table names."""

    measured: float
    target: float
    reached: bool
    against: str = ""  # the library, or what else it was compared with


def faster(results, what, workload, threads):
    """How many times faster than the fastest library that the target names; None if there is nothing to compare."""
    target, among = targets.FASTER.get(workload, {}).get(what, (None, ()))
    found = find(results, what, workload, threads)
    peer = fastest_peer(found, among)
    if target is None or peer is None or "fastnn" not in found:
        return None
    ratio = ratios(found)[peer]
    return Verdict(ratio, target, ratio >= target, peer)


def quick(results, what, workload, threads):
    """Seconds of a call that has a limit of its own; None without."""
    limit = targets.MOST_SECONDS.get((workload, what))
    own = find(results, what, workload, threads).get("fastnn")
    if limit is None or not own:
        return None
    seconds = statistics.median(own)
    return Verdict(seconds, limit, seconds <= limit)


def speedup(found):
    """Of most threads over one.

    Equal times are above 1 in one run and below in the next: a short step is slower on more threads only if the
    spread of its rounds does not reach 1.
    """
    one, most = found["1"], found[max(found, key=int)]
    quotient = quotients(one, most)
    ratio, longest = statistics.median(quotient), statistics.median(one)
    if longest > targets.LONG_STEP:
        return Verdict(ratio, targets.SPEEDUP, ratio >= targets.SPEEDUP)
    return Verdict(ratio, 1, ratio * (1 + spread(quotient)) >= 1)


def memory(results, workload, threads):
    """Bytes of fastnn's process, as a share of the leanest other one that trains."""
    rows = [s for s in results["starts"] if (s["workload"], s["threads"]) == (workload, threads)]
    own = next((s["memory"] for s in rows if s["library"] == "fastnn"), None)
    peers = {s["library"]: s["memory"] for s in rows if s["library"] != "fastnn" and s["trains"]}
    if own is None or not peers:
        return None
    leanest = min(peers, key=peers.get)
    share = own / peers[leanest]
    return Verdict(share, targets.MEMORY, share <= targets.MEMORY, leanest)


def first_fit(results, workload, threads):
    """The first `fit` of one batch as a multiple of a later one."""
    for found in results["first_fits"]:
        if (found["workload"], found["threads"]) == (workload, threads):
            ratio = found["first"] / found["later"]
            return Verdict(ratio, targets.FIRST_FIT, ratio <= targets.FIRST_FIT)
    return None


def imports(results):
    """{what: verdict}: the import by itself, and with what is only loaded when the first model is made."""
    verdicts, total = {}, 0.0
    for what, seconds in results["imports"].items():
        total += seconds
        title = what if not verdicts else "both, with the first model"
        verdicts[title] = Verdict(total, targets.IMPORT, total <= targets.IMPORT)
    return verdicts
