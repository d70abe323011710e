"""`@complete`: suggestions while a person types an argument of a prompt, or a variable of a resource's URI."""

import dataclasses


@dataclasses.dataclass
class Typing:
    """What a person has typed so far, and the arguments that are settled already."""

    value: str
    settled: dict[str, str] = dataclasses.field(default_factory=dict)


class Completers:
    """The functions that complete the arguments of a prompt or resource."""

    def __init__(self, function, arguments):
        self._functions = dict.fromkeys(arguments)
        self._of = function.__name__
        function.__sandglass_completers__ = self

    def add(self, argument, function):
        if argument not in self._functions:
            known = ", ".join(f"`{name}`" for name in self._functions) or "none"
            raise ValueError(f"`{self._of}` has no argument `{argument}` to complete: there are {known}")
        self._functions[argument] = function

    def suggest(self, argument, typing):
        """The best first; none for an argument that is not completed."""
        function = self._functions.get(argument)
        return [str(one) for one in function(typing)] if function else []


def complete(function, argument, /):
    """Makes a function complete an argument of a prompt or a resource: `@complete(review, "language")`.

    It takes a `Typing`, and returns a list of texts, the best first.
    """
    completers = getattr(function, "__sandglass_completers__", None)
    if completers is None:
        raise TypeError(f"`{getattr(function, '__name__', function)}` is no prompt and no resource: `@complete` comes after `@prompt` or `@resource`")

    def completes(completer):
        completers.add(argument, completer)
        return completer

    return completes
