"""What `sandglass build` makes a component of: the project's module `tools`, or words for its author about why it cannot be one."""

import importlib.util
import os.path
import traceback

from . import export
from .functions import NotATool

#: The module of the tools.
MODULE = "tools"


class BuildError(Exception):
    """A module that gives no component; the text says what is wrong, where, and what to do."""


def load():
    """The module's classes for componentize-py, by their names. Fails with `BuildError`."""
    found = importlib.util.find_spec(MODULE)
    if found is None or found.origin is None:
        raise BuildError(f"there is no {MODULE}.py in the project's folder: its functions with `@tool` are the tools")
    folder = os.path.dirname(found.origin)
    try:
        module = importlib.import_module(MODULE)
    except SyntaxError as error:
        place = f"{_within(folder, error.filename)}, line {error.lineno}, column {error.offset}"
        raise BuildError(f"{place}: {error.msg}: `{(error.text or '').strip()}`") from None
    except NotATool as reason:
        raise BuildError(f"{_place(folder, reason)}{reason}") from None
    except BaseException as error:
        raise BuildError(f"{_place(folder, error)}{type(error).__name__}: {error}") from None
    classes = {name: getattr(module, name) for name in export.NAMES if hasattr(module, name)}
    if not classes:
        raise BuildError(f"no function of {MODULE}.py is a tool: write `@tool` above one (`from sandglass import tool`)")
    return classes


def _place(folder, error):
    """The last line of the author's own that led there."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(folder + "/"):
            return f"{_within(folder, frame.filename)}, line {frame.lineno}: "
    return ""


def _within(folder, filename):
    """A file's path in the project: when componentize-py runs it, its folder is another."""
    return (filename or "").removeprefix(folder + "/")


if export.exports is not None:
    globals().update(load())
