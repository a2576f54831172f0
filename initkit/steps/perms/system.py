"""Paths that belong to the system, and are nobody's volumes; what is there in truth is looked at by `disguise`."""

from __future__ import annotations

# what the image needs to run; volumes are mounted below these (/usr/share/nginx/html, /var/lib/postgresql/data)
_TOP = frozenset(f"/{name}" for name in ("", "bin", "boot", "dev", "etc", "proc", "sbin", "sys", "usr", "var"))
_USR = frozenset(f"/usr/{name}" for name in ("bin", "lib", "libexec", "local", "sbin", "share"))
_LOCAL = frozenset(f"/usr/local/{name}" for name in ("bin", "lib", "libexec", "sbin"))  # where images have Python
_LIB = frozenset(f"{place}/lib{width}" for place in ("", "/usr") for width in ("", "32", "64", "x32"))
# whose owners and modes logins, sudo and the loader trust; the last three are one file for all containers of a pod
_TRUSTED = frozenset(
    f"/etc/{name}"
    for name in ("passwd", "group", "shadow", "gshadow", "sudoers", "ld.so.preload", "hosts", "hostname", "resolv.conf")
)
SYSTEM = _TOP | _USR | _LIB | _TRUSTED | {"/var/lib"}
# with all below: the kernel's, and where the kubelet mounts a pod's token
_BELOW = tuple(
    f"{path}/" for path in ("/proc", "/sys", "/dev", "/run/secrets/kubernetes.io", "/var/run/secrets/kubernetes.io")
)
PROGRAMS = tuple(
    f"{path}/" for path in sorted(_LIB | _LOCAL | {"/bin", "/boot", "/sbin", "/usr/bin", "/usr/sbin", "/usr/libexec"})
)
_MEMORY = "/dev/shm"  # noqa: S108 - an emptyDir in memory is often mounted there
# many pods mount a volume here, as the image may be read-only; without one they are the image's
OFTEN_MOUNTED = _LOCAL | frozenset(
    f"/{name}"
    for name in (
        "home", "media", "mnt", "opt", "root", "run", "srv", "tmp",
        "run/lock", "run/secrets", "var/cache", "var/lock", "var/log", "var/run", "var/spool", "var/tmp",
    )
)  # fmt: skip


def belongs_to_system(path: str) -> bool:
    """Whether a normal path is one of those that are refused as roots whatever is there."""
    path = "/" + path.lstrip("/") if path.startswith("/") else path  # POSIX lets // stand for something else
    if path == _MEMORY or path.startswith(_MEMORY + "/"):
        return False
    return path in SYSTEM or f"{path}/".startswith(_BELOW)
