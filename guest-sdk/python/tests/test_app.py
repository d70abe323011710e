import pathlib
import sys
import tempfile
import unittest
from unittest import mock

from sandglass import app


class App(unittest.TestCase):
    def told(self, source):
        """Why a project with this source gives no component."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(sys, "path", [folder, *sys.path]):
            if source is not None:
                pathlib.Path(folder, "tools.py").write_text(source)
            try:
                with self.assertRaises(app.BuildError) as caught:
                    app.load()
            finally:
                sys.modules.pop("tools", None)
                sys.path_importer_cache.pop(folder, None)
        return str(caught.exception)

    def test_what_is_wrong_is_told_with_its_line_and_function(self):
        for source, told in [
            ("x = 1\n", "no function of tools.py is a tool: write `@tool` above one"),
            (
                "from sandglass import tool\n\n@tool\ndef star(*a): pass\n",
                "tools.py, line 3: `star`: arguments have names: instead of `*a` write `a: list`",
            ),
            ("def f(:\n", "tools.py, line 1, column 7: invalid syntax: `def f(:`"),
            ("import nosuch\n", "tools.py, line 1: ModuleNotFoundError: No module named 'nosuch'"),
            ("import json\n\njson.loads('x')\n", "tools.py, line 3: JSONDecodeError: Expecting value"),
            (None, "there is no tools.py in the project's folder"),
        ]:
            self.assertTrue(self.told(source).startswith(told), self.told(source))

    def test_the_classes_of_the_module_are_found(self):
        with mock.patch.dict(sys.modules), tempfile.TemporaryDirectory() as folder, mock.patch.object(sys, "path", [folder, *sys.path]):
            pathlib.Path(folder, "tools.py").write_text("class Tools: pass\n")
            self.assertEqual(list(app.load()), ["Tools"])
