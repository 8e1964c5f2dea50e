"""Run command lines one after the other, and print their exit codes.

    python offline_commands.py '[["list", "recipes"], ...]'

What any process tries to reach beyond this machine is in the file that WATCHED names: see `watch`.
"""

import fcntl
import json
import os
import socket
import struct
import sys
from pathlib import Path

LOCAL = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::", socket.gethostname()}
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def watch() -> None:
    """Note every address that is looked up or connected to, but for those of this machine."""

    def note(event: str, arguments: tuple) -> None:
        host = None
        if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
        host = host.decode() if isinstance(host, bytes) else host
        if host not in LOCAL:
            with Path(os.environ["WATCHED"]).open("a", encoding="utf-8") as file:
                file.write(f"{event} {host} by {' '.join(sys.argv)}\n")

    sys.addaudithook(note)


def loop_back() -> None:
    """Switch on the one interface of a new network namespace, by which a machine reaches itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def main() -> None:
    if os.environ.get("OWN_NETWORK"):
        loop_back()
    from blurbench.__main__ import run

    codes = []
    for words in json.loads(sys.argv[1]):
        try:
            codes.append(run(words))
        except SystemExit as end:
            codes.append(end.code)
    print(f"codes {json.dumps(codes)}", file=sys.stderr)


if __name__ == "__main__":
    main()
