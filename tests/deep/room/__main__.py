"""See the package."""

from __future__ import annotations

import faulthandler
import os
import signal
import time


def main(words: tuple[str, ...], descriptor: int, scratch: str) -> None:
    """Write the bytes of the file that the first word names to the doctor, then end as the second word says."""
    with open(words[0], "rb") as file:
        data = file.read()
    while data:
        data = data[os.write(descriptor, data) :]
    how = words[1]
    if how == "watched":
        faulthandler.dump_traceback_later(0.2, exit=True, file=2)
        time.sleep(600)
    elif how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "hangs":
        time.sleep(600)
    elif how == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "exits":
        os._exit(3)
