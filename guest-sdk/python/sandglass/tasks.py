"""asyncio without sockets: an event loop that only knows time."""

import asyncio
import concurrent.futures
import time


_NO_THREADS = "there are no threads and no processes here: call the function itself, or write it as `async def`"


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

    def run_in_executor(self, executor, function, *arguments):
        raise RuntimeError(_NO_THREADS)


class _NoExecutor:
    """In place of the executors, which would look for modules that are not there."""

    def __init__(self, *_, **__):
        raise RuntimeError(_NO_THREADS)


def install():
    """From now on asyncio's own loops are these, and executors say that there are no threads."""
    asyncio.new_event_loop = asyncio.events.new_event_loop = _Loop
    concurrent.futures.ThreadPoolExecutor = concurrent.futures.ProcessPoolExecutor = _NoExecutor


def run(coroutine):
    """Runs a coroutine to its end; its result."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)
