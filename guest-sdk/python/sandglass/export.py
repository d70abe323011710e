"""Puts the classes that componentize-py looks for into the app's module."""

import inspect

try:
    from wit_world import exports
except ModuleNotFoundError:
    # Outside of a build: an author's tests.
    exports = None


#: What they are called there.
NAMES = ("Tools", "Prompts", "Resources", "Completion")


def tools(function):
    """A module with this function has tools."""
    if exports is not None:
        from . import guest

        # A decorator's own function is one of the decorator's module.
        module = inspect.unwrap(function).__globals__
        module.setdefault("Tools", guest.Tools)
        if _is_component():
            _others(module)


def others(function, what):
    """A module with this function has prompts or resources."""
    if exports is None:
        return
    if not _is_component():
        raise TypeError(f"inline Python has tools only: a module with {what} is built with the SDK (`sandglass new --lang python`)")
    tools(function)


def _is_component():
    """Or the interpreter of inline Python, whose world has tools alone."""
    return hasattr(exports, "Prompts")


def _others(module):
    from . import provider

    for exported in (provider.Prompts, provider.Resources, provider.Completion):
        module.setdefault(exported.__name__, exported)
