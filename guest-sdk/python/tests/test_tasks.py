import asyncio
import concurrent.futures
import unittest
from unittest import mock

from sandglass import tasks


class Tasks(unittest.TestCase):
    def setUp(self):
        # What `install` changes is as it was after the test.
        for module, name in [
            (asyncio, "new_event_loop"),
            (asyncio.events, "new_event_loop"),
            (concurrent.futures, "ThreadPoolExecutor"),
            (concurrent.futures, "ProcessPoolExecutor"),
        ]:
            patched = mock.patch.object(module, name, getattr(module, name))
            patched.start()
            self.addCleanup(patched.stop)
        tasks.install()

    def test_asyncios_own_loops_need_no_sockets(self):
        async def kind():
            await asyncio.sleep(0)
            return type(asyncio.get_running_loop()).__module__

        self.assertEqual(asyncio.run(kind()), "sandglass.tasks")
        loop = asyncio.new_event_loop()
        self.assertEqual(loop.run_until_complete(kind()), "sandglass.tasks")
        loop.close()

    def test_executors_say_that_there_are_no_threads(self):
        with self.assertRaisesRegex(RuntimeError, "there are no threads"):
            concurrent.futures.ThreadPoolExecutor(3)
        with self.assertRaisesRegex(RuntimeError, "there are no threads"):
            asyncio.run(asyncio.to_thread(len, "abc"))
