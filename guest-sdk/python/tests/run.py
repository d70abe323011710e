"""Runs the SDK's tests, natively: `python3 tests/run.py`. The last line is one that `cargo xtask test` adds up."""

import pathlib
import sys
import unittest

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent))
sys.dont_write_bytecode = True
result = unittest.TextTestRunner().run(unittest.defaultTestLoader.discover(str(here), "test_*.py"))
failed = len(result.failures) + len(result.errors)
passed = result.testsRun - failed - len(result.skipped)
print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {failed} failed; {len(result.skipped)} ignored")
sys.exit(bool(failed))
