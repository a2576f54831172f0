"""How quickly `initkit wait tcp://…` starts, next to `python -c "import click"` in the same run.

    python benchmarks/start_up.py [ROUNDS]

Both run by turns; CPU time and peak memory are the medians. The aim is at most 1.4 times the CPU time, and 20 MiB.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile

AIM_RATIO, AIM_MEMORY = 1.4, 20.0


def measure(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of one run."""
    child = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(rounds: int) -> None:
    """Measure and print a table."""
    program = os.path.join(os.path.dirname(sys.executable), "initkit")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server, tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import click'": [sys.executable, "-c", "import click"],
            "initkit wait tcp://": [program, "wait", f"127.0.0.1:{server.getsockname()[1]}"],
        }
        for command in commands.values():
            measure(command, env)  # compiles
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                runs[name].append(measure(command, env))
    base = statistics.median(cpu for cpu, _ in runs["python -c 'import click'"])
    print(f"{'':28} {'CPU ms':>8} {'ratio':>7} {'MiB':>7}   (median of {rounds}; aim: {AIM_RATIO}, {AIM_MEMORY} MiB)")
    for name, measured in runs.items():
        cpu = statistics.median(cpu for cpu, _ in measured)
        memory = statistics.median(memory for _, memory in measured)
        print(f"{name:28} {cpu * 1000:8.1f} {cpu / base:7.2f} {memory:7.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
