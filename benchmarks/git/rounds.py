"""Memory of the sidecar over many rounds: `python benchmarks/git/rounds.py [ROUNDS]` (10,000), with a change every 500.

What is read is the resident memory of initkit itself, its descriptors and its threads, from /proc.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress

STEP = 1000  # rounds between two lines
CHANGE = 500  # rounds between two commits
IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@example.org"]


def git(folder: str, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def commit(folder: str, text: str) -> None:
    with open(f"{folder}/index.html", "w", encoding="utf-8") as file:
        file.write(text)
    git(folder, "add", "--all")
    git(folder, *IDENTITY, "commit", "--quiet", "-m", text)


def free_number() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def metric(number: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{number}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split(" ")[1] for line in lines if line.startswith(f"initkit_git_{name} ")))


def rounds(number: int) -> float:
    with suppress(OSError):
        return metric(number, "round_duration_seconds_count")
    return 0.0


def memory(pid: int) -> int:
    """KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmRSS:")))


def line(pid: int, number: int, began: float) -> str:
    descriptors, threads = len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
    published = metric(number, "publishes_total")
    return (
        f"{rounds(number):8.0f} {memory(pid):9} {descriptors:12} {threads:8} {published:10.0f}"
        f" {time.monotonic() - began:8.1f}"
    )


def follow(pid: int, number: int, origin: str, wanted: int) -> None:
    began = time.monotonic()
    print("  rounds   RSS KiB  descriptors  threads  published  seconds")
    for goal in [100, *range(CHANGE, wanted + 1, CHANGE)]:
        while rounds(number) < goal:
            time.sleep(0.05)
        if goal == 100 or goal % STEP == 0:
            print(line(pid, number, began), flush=True)
        commit(origin, f"round {goal}")


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        origin, number = f"{folder}/origin", free_number()
        os.mkdir(origin)
        git(origin, "init", "--quiet")
        commit(origin, "first")
        flags = ["--every", "1ms", "--jitter", "0", "--keep-for", "1s", "--listen", f"127.0.0.1:{number}"]
        words = [sys.executable, "-m", "initkit", "git", origin, f"{folder}/dest", *flags, "--quiet"]
        with subprocess.Popen(words) as child:
            try:
                follow(child.pid, number, origin, wanted)
            finally:
                child.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
