"""Tools for AI agents."""

from sandglass import tool


@tool
def greet(name: str) -> str:
    """Greets a person.

    Args:
        name: Whom to greet.
    """
    return f"Hello, {name}!"
