"""What the rounds of a run say: medians, spreads, and ratios of rounds that were neighbours."""

import statistics


def find(results, what, workload, threads):
    """{library: seconds of each round}."""
    wanted = {"what": what, "workload": workload, "threads": threads}
    return {r["library"]: r["seconds"] for r in results["rows"] if wanted.items() <= r.items()}


def ratios(found, own="fastnn"):
    """{library: how many times faster `own` was, the median of the rounds}."""
    if own not in found:
        return {}
    return {name: statistics.median(quotients(taken, found[own])) for name, taken in found.items() if name != own}


def quotients(taken, ours):
    """Round by round."""
    return [theirs / own for own, theirs in zip(ours, taken, strict=True)]


def fastest_peer(found, among=()):
    """The library with the least median, of those named or of all, fastnn excepted; None without any."""
    peers = {
        name: statistics.median(taken)
        for name, taken in found.items()
        if name != "fastnn" and (not among or name in among)
    }
    return min(peers, key=peers.get) if peers else None


def spread(taken):
    """Half the range of the middle half of the rounds, as a share of their median."""
    low, middle, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (taken[0],) * 3
    return (high - low) / 2 / middle
