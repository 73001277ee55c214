"""What systemd is told of this process: the datagrams of sd_notify(3), for a unit with `Type=notify`.

Where NOTIFY_SOCKET is not set, nothing is sent. A message that can't be sent is no reason to stop serving.
"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """The service manager that started this process, if one did.

    `watchdog_interval`: seconds between two signs of life, half of what the unit's WatchdogSec allows; None where it
    has none, or means another process.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path  # @: the abstract namespace of Linux
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = self._address and ours and microseconds.isdecimal() and int(microseconds) > 0
        self.watchdog_interval = int(microseconds) / 2_000_000 if watched else None
        self._alive_at = 0.0

    def ready(self) -> None:
        """The process serves, or a reload has ended, with either outcome."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The drain begins."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The process makes progress. May be called as often as one likes: it is sent once in `watchdog_interval`."""
        now = time.monotonic()
        if self.watchdog_interval is not None and now - self._alive_at >= self.watchdog_interval:
            self._alive_at = now
            self._send("WATCHDOG=1")

    async def keep_alive(self) -> None:
        """The event loop makes progress: says so until cancelled."""
        while self.watchdog_interval is not None:
            self.alive()
            await asyncio.sleep(self.watchdog_interval)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), self._address)
