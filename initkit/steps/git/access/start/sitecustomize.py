"""Becomes ssh, with the options that `access.ssh` chose; what they are is not known here.

git starts ssh with options of ours only through a shell, and there may be none. It starts the interpreter instead, with
this folder as PYTHONPATH, and the interpreter imports this module before it looks at its arguments (`site`). No other
way needs neither a shell nor an executable file of our own, which a hardened node may refuse to run.
"""

from __future__ import annotations

import os
import sys

if "INITKIT_SSH" in os.environ:
    try:
        words = os.environ["INITKIT_SSH"].split("\n")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("INITKIT_", "PYTHON"))}
        if "INITKIT_SSH_PRELOAD" in os.environ:
            environ["LD_PRELOAD"] = os.environ["INITKIT_SSH_PRELOAD"]
        # git's last argument is the command for the server; of user, host and port it can say nothing that is not known
        os.execve(words[0], [*words, sys.orig_argv[-1]], environ)  # noqa: S606 - git's children need no shell
    except OSError as error:
        os.write(2, f"cannot start ssh: {error.strerror}\n".encode())
    finally:
        os._exit(127)  # the interpreter would go on and take its arguments for a script
