"""Write a tool for AI agents as a plain Python function.

    from sandglass import tool

    @tool
    def add(a: int, b: int) -> int:
        \"\"\"Add two numbers.\"\"\"
        return a + b

Type hints become the schema, the docstring the description. Build the module with componentize-py to a component that
Sandglass serves.
"""

from .content import Audio, Image, Link, Text
from .functions import ToolError
from .tools import tool

__all__ = ["Audio", "Image", "Link", "Text", "ToolError", "log", "progress", "tool"]


def log(message, level="info"):
    """Sends a message to the host's log and to clients that listen. Levels are MCP's: debug, info, notice, warning, error, .."""
    from . import guest

    guest.log(message, level)


def progress(progress, total=None, message=None):
    """Tells the caller how far the call is; `progress` must grow with each call."""
    from . import guest

    guest.progress(progress, total, message)
