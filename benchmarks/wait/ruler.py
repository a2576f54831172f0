"""Runs a command and prints its CPU seconds, peak MiB and exit code; started by `children` as `python -I -S`.

A process that has just been started is charged with the memory of the one that it came from, so this one is as small as
can be: what needs less than its 8.5 MiB is shown with those.
"""

import os
import sys

nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(pid, 0)
sys.stdout.write(f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024} {os.waitstatus_to_exitcode(status)}")
