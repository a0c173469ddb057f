"""Where the number of threads comes from."""

import os
import subprocess
import sys
import threading

import pytest

from fastnn.engine import native, threads

pytestmark = pytest.mark.skipif(not native.openmp(), reason="built without OpenMP")


@pytest.fixture(autouse=True)
def _default_again():
    yield
    threads.set_num_threads(None)


def output_of(script, **environment):
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=env | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout.strip()


SHOW = "from fastnn.engine import threads as t; print(t.get_num_threads(), t.thread_source(), sep=': ')"


def test_the_default_is_within_the_machine():
    n, source = output_of(SHOW).split(": ")
    assert 1 <= int(n) <= os.cpu_count()
    assert "may use" in source or "quota" in source


def test_affinity_counts():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs os.sched_setaffinity")
    pin = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    assert output_of(pin + SHOW).startswith("1: ")


def test_the_environment_is_obeyed():
    assert output_of(SHOW, OMP_NUM_THREADS="3") == "3: the environment variable OMP_NUM_THREADS"


def test_threadpoolctl_is_obeyed():
    pytest.importorskip("threadpoolctl")
    limit = "import threadpoolctl; from fastnn.engine import threads; threadpoolctl.threadpool_limits(1); "
    assert output_of(limit + SHOW, OMP_NUM_THREADS="2").startswith("1: OpenMP's setting was changed")


def test_set_num_threads():
    threads.set_num_threads(5)
    assert threads.get_num_threads() == 5
    assert threads.thread_source() == "set_num_threads()"
    threads.set_num_threads(None)
    assert threads.thread_source() != "set_num_threads()"


def test_a_block_of_its_own_number():
    threads.set_num_threads(3)
    with threads.num_threads(4):
        assert threads.get_num_threads() == 4
        with threads.num_threads(1):
            assert threads.get_num_threads() == 1
        assert threads.get_num_threads() == 4
        seen = []
        other = threading.Thread(target=lambda: seen.append(threads.get_num_threads()))
        other.start()
        other.join()
        assert seen == [3]
    assert threads.get_num_threads() == 3


@pytest.mark.parametrize("n", [0, -1, 257, 1.5, "2", True])
def test_wrong_numbers_are_refused(n):
    with pytest.raises(ValueError, match="from 1 to 256"):
        threads.set_num_threads(n)
    with pytest.raises(ValueError, match="from 1 to 256"), threads.num_threads(n):
        pass


def write(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4.0),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "800000 100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker\n2:memory:/docker\n",
                "sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/docker/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({"proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/a/cpu.max": "nonsense\n"}, None),
    ],
)
def test_cpu_quota(tmp_path, files, quota):
    write(tmp_path, files)
    assert threads.cpu_quota(tmp_path) == quota


def test_physical_cores(tmp_path):
    siblings = {0: "0,2\n", 1: "1,3\n", 2: "0,2\n", 3: "1,3\n"}
    path = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    write(tmp_path, {path.format(cpu): text for cpu, text in siblings.items()})
    assert threads.physical_cores({0, 1, 2, 3}, tmp_path) == 2
    assert threads.physical_cores({0, 2}, tmp_path) == 1
    assert threads.physical_cores({0, 4}, tmp_path) is None
