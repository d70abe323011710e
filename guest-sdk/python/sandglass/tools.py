"""`@tool`, and the tools of a module that uses it."""

from . import export
from .functions import NotATool, describe, plan

#: The component's tools by name: the function, and what of a call was found out when the component was built.
tools = {}


class Options:
    """What `@tool` says beside what the function says itself."""

    def __init__(self, name, title, hints):
        self.name, self.title, self.hints = name, title, hints


def tool(function=None, /, *, name=None, title=None, read_only=None, destructive=None, idempotent=None, open_world=None):
    """Makes a function a tool: `@tool`, or `@tool(title="..", read_only=True)`.

    The hints tell clients what a call does; they are not checked.
    """
    if function is None:
        return lambda function: tool(
            function,
            name=name,
            title=title,
            read_only=read_only,
            destructive=destructive,
            idempotent=idempotent,
            open_world=open_world,
        )
    options = Options(name or function.__name__, title, (read_only, destructive, idempotent, open_world))
    function.__sandglass_tool__ = options
    if options.name in tools and tools[options.name][0] is not function:
        raise ValueError(f"two tools are named `{options.name}`: rename one")
    # What cannot be a tool is found when the component is built.
    try:
        describe(function, options.name)
    except NotATool as reason:
        raise NotATool(f"`{options.name}`: {reason}") from None
    tools[options.name] = function, plan(function)
    export.tools(function)
    return function
