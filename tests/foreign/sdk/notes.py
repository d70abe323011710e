from dataclasses import dataclass
from typing import Annotated

from sandglass import complete, elicit, progress, prompt, resource, tool, updated

NOTES = {"mail": "Answer Ada's letter.", "milk": "Buy milk."}


@prompt
def rewrite(name: str, tone: str = "plain") -> str:
    """Rewrites a note.

    Args:
        name: Which note.
        tone: How it is to sound.
    """
    return f"Rewrite in a {tone} tone: {NOTES[name]}"


@resource("notes://index", mime_type="text/plain")
def index() -> str:
    """The names of all notes."""
    return "\n".join(NOTES)


@resource("notes://note/{name}", mime_type="text/plain")
def note(name: str) -> str | None:
    """A note by its name."""
    return NOTES.get(name)


@complete(rewrite, "name")
@complete(note, "name")
def names(typed):
    return [name for name in NOTES if name.startswith(typed.value)]


@dataclass
class Sure:
    delete: Annotated[bool, "Whether the note may go."]


@tool
def delete(name: str) -> str:
    """Deletes a note, if a person agrees."""
    sure = elicit("sure", f"Delete {name}?", Sure)
    if sure.value is None or not sure.value.delete:
        return f"Kept {name}"
    progress(1, 1, "deleted")
    updated("notes://index")
    return f"Deleted {name}"
