"""asyncio without sockets: an event loop that only knows time."""

import asyncio
import time


class _Clock:
    """Takes a selector's place: there is nothing to select, only time to wait for."""

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("the tool waits for something that never happens")
        if timeout > 0:
            time.sleep(timeout)
        return ()


class _Loop(asyncio.base_events.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


def run(coroutine):
    """Runs a coroutine to its end; its result."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)
