"""Write a tool for AI agents as a plain Python function.

    from sandglass import tool

    @tool
    def add(a: int, b: int) -> int:
        \"\"\"Add two numbers.\"\"\"
        return a + b

Type hints become the schema, the docstring the description. `@prompt` and `@resource` make prompts and resources in the
same way; `elicit` and its like ask the person or the model behind the client. Build the module with componentize-py to a component that
Sandglass serves.
"""

from .completion import Typing, complete
from .content import Audio, Image, Link, ResourceContents, Text
from .functions import ToolError
from .host import AskError, log, progress, updated
from .prompts import Message, prompt
from .questions import Elicited, Form, Page, Root, Roots, Sample, ask, elicit, elicit_url, list_roots, sample
from .resources import resource
from .tools import tool

__all__ = [
    "AskError",
    "Audio",
    "Elicited",
    "Form",
    "Image",
    "Link",
    "Message",
    "Page",
    "ResourceContents",
    "Root",
    "Roots",
    "Sample",
    "Text",
    "ToolError",
    "Typing",
    "ask",
    "complete",
    "elicit",
    "elicit_url",
    "list_roots",
    "log",
    "progress",
    "prompt",
    "resource",
    "sample",
    "tool",
    "updated",
]
