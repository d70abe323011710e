"""Content blocks: what a tool may return where text or JSON is not enough."""

import dataclasses


class Block:
    """A block of content."""


@dataclasses.dataclass
class Text(Block):
    """Text for the model or the person."""

    text: str


@dataclasses.dataclass
class Image(Block):
    """An image."""

    data: bytes
    mime_type: str = "image/png"


@dataclasses.dataclass
class Audio(Block):
    """A sound."""

    data: bytes
    mime_type: str = "audio/wav"


@dataclasses.dataclass
class Link(Block):
    """Names a resource that the client may read."""

    uri: str
    name: str
    description: str | None = None
    mime_type: str | None = None


@dataclasses.dataclass
class ResourceContents(Block):
    """A resource with what it holds: text or bytes."""

    uri: str
    body: str | bytes
    mime_type: str | None = None


def blocks_of(result):
    """The blocks that a function returned: one, or a list that holds some; none where it returned a value."""
    if isinstance(result, Block):
        return [result]
    if isinstance(result, (list, tuple)) and any(isinstance(item, Block) for item in result):
        return [item if isinstance(item, Block) else Text(str(item)) for item in result]
    return None
