"""The machine's name, for results."""

import platform
from pathlib import Path


def cpu_name():
    """As the system tells it, else as Python does."""
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()
