"""`@prompt`, and the prompts of a module that uses it."""

import dataclasses

from . import export
from .completion import Completers
from .content import Block, Text
from .functions import InvalidArguments, call, describe, from_text, plan, text_kinds
from .types import Mismatch

#: The component's prompts by name.
prompts = {}


@dataclasses.dataclass
class Message:
    """A message of a prompt: text, or a block of content. `role` is `user` or `assistant`."""

    content: "str | Block"
    role: str = "user"

    def __post_init__(self):
        if self.role not in ("user", "assistant"):
            raise ValueError(f"there is no role {self.role!r}: write 'user' or 'assistant'")
        if isinstance(self.content, str):
            self.content = Text(self.content)
        if not isinstance(self.content, Block):
            raise TypeError(f"a message is text or a block of content, not {type(self.content).__name__}")


@dataclasses.dataclass
class Argument:
    """What a prompt says of an argument."""

    name: str
    description: str | None
    required: bool


class Prompt:
    """A function that makes messages."""

    def __init__(self, function, name, title):
        described = describe(function, name)
        schema = described.input_schema
        required = schema.get("required", ())
        self.name, self.title, self.description = described.name, title, described.description or None
        self.arguments = [
            Argument(name, property.get("description"), name in required)
            for name, property in schema["properties"].items()
        ]
        self.completers = Completers(function, schema["properties"])
        self._function = function
        self._kinds = text_kinds(function)
        _, *self._planned = plan(function)

    def messages(self, arguments):
        """The messages for arguments, which are text. Fails with `InvalidArguments`, or as the function does."""
        values = {}
        for name, text in arguments.items():
            try:
                values[name] = from_text(self._kinds[name], text)
            except Mismatch as problem:
                raise InvalidArguments(f"`{name}`: {problem}") from None
        # They are of their types already.
        result = call(self._function, ({}, *self._planned), values)
        results = result if isinstance(result, (list, tuple)) else [result]
        return [one if isinstance(one, Message) else Message(one) for one in results]


def prompt(function=None, /, *, name=None, title=None):
    """Makes a function a prompt: `@prompt`, or `@prompt(title="..")`.

    Its arguments come as text, and are made what the function's types say. It returns a text, which is the user's
    message, a `Message`, a block of content, or a list of these.
    """
    if function is None:
        return lambda function: prompt(function, name=name, title=title)
    # What cannot be a prompt is found when the component is built.
    made = Prompt(function, name, title)
    if made.name in prompts:
        raise ValueError(f"two prompts are named `{made.name}`: rename one")
    export.others(function, "prompts")
    prompts[made.name] = made
    return function
