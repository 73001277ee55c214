"""A whole gateway in a test.

    container = Container(settings=load(path))
    container.partners.override("comet", MemoryPartnerAccounts({"+4915112345678": "1001"}))
    running = await start(container.settings(), container=container)
    ...
    await running.stop()

`run_sandbox` runs one among simulated services on loopback, with everything in memory and in a folder of its own.
"""

from talaria.entrypoints.config import Settings, load
from talaria.entrypoints.runtime.container import Container
from talaria.entrypoints.runtime.process import start
from talaria.sandbox.stack import Sandbox
from talaria.sandbox.stack import running_sandbox as run_sandbox

__all__ = ["Container", "Sandbox", "Settings", "load", "run_sandbox", "start"]
