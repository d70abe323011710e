"""What of the SDK `notes.py` does not use."""

from dataclasses import dataclass
from typing import Annotated, Literal

from notes import *
from sandglass import AskError, Form, Image, Message, Page, ResourceContents, Roots, Sample, ask, elicit, prompt, resource, tool

PIXEL = b"\x89PNG"


@dataclass
class Order:
    """Fields of all kinds."""

    name: str
    size: Literal["small", "large"] = "small"
    count: Annotated[int | None, "How many."] = None
    gift: bool = False


@tool
def ask_all() -> dict:
    """Asks everything at once."""
    sampling = {"messages": [{"role": "user", "content": {"type": "text", "text": "Hello"}}], "maxTokens": 10}
    form, page, message, roots = ask(
        [
            Form("order", "What?", Order),
            Page("page", "Sign in", "https://example.com/sign-in", "sign-in-1"),
            Sample("greeting", sampling),
            Roots(),
        ]
    )
    return {
        "order": form.value,
        "page": page.action,
        "text": message["content"]["text"],
        "roots": [root.uri for root in roots],
    }


@tool
def ask_or_not() -> str:
    """Asks, and says why there is no answer."""
    try:
        return elicit("name", "Who?", {"type": "object", "properties": {"name": {"type": "string"}}}).action
    except AskError as error:
        return f"{error.kind}: {error}"


@prompt(title="Look")
def look(times: int) -> list[Message]:
    """Looks at an image."""
    return [Message(Image(PIXEL))] * times + [Message("I see.", role="assistant")]


@resource("pixel:one", name="a pixel", mime_type="image/png")
def pixel() -> bytes:
    """An image."""
    return PIXEL


@resource("files:///{+path}")
def tree(path: str) -> list[ResourceContents]:
    """A file and its like."""
    if path == "none":
        raise ValueError("the disk is full")
    return [ResourceContents(f"files:///{path}", path), ResourceContents("files:///b", b"b", "text/plain")]
