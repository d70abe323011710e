"""`@resource`, and the resources of a module that uses it."""

import re
from urllib.parse import unquote

from . import export
from .completion import Completers
from .content import ResourceContents
from .functions import call, describe, from_text, plan, text_kinds
from .types import Mismatch

#: The component's resources, and families of them, by URI or template.
resources = {}

# `{name}` stands for a part without `/`, `{+name}` for one with it (RFC 6570, section 3.2).
_VARIABLE = re.compile(r"\{(\+?)([A-Za-z_]\w*)\}")


class Resource:
    """A function that says what a URI holds, or what those of a template do."""

    def __init__(self, function, uri, name, title, mime_type):
        described = describe(function)
        parameters = list(described.input_schema["properties"])
        variables = [variable for _, variable in _VARIABLE.findall(uri)]
        if re.search("[{}]", _VARIABLE.sub("", uri)):
            raise ValueError(f"{uri}: write `{{name}}` or `{{+name}}` where a URI differs")
        if sorted(variables) != sorted(parameters):
            raise ValueError(
                f"{uri}: its variables are {_listed(variables)}, and the parameters of `{function.__name__}` are"
                f" {_listed(parameters)}: name them alike"
            )
        self.uri, self.name, self.title = uri, name or described.name, title
        self.description, self.mime_type = described.description or None, mime_type
        self.is_template = bool(variables)
        self.completers = Completers(function, variables)
        self._pattern = _pattern(uri)
        self._function = function
        self._kinds = text_kinds(function)
        _, *self._planned = plan(function)

    def read(self, uri):
        """What a URI holds, as a list of `ResourceContents`; none where there is nothing, or it is not of this family."""
        found = self._pattern.fullmatch(uri)
        if found is None:
            return None
        try:
            values = {name: from_text(self._kinds[name], unquote(text)) for name, text in found.groupdict().items()}
        except Mismatch:
            return None
        result = call(self._function, ({}, *self._planned), values)
        if result is None:
            return None
        results = result if isinstance(result, (list, tuple)) else [result]
        return [self._contents(uri, one) for one in results]

    def _contents(self, uri, one):
        if isinstance(one, (str, bytes, bytearray)):
            one = ResourceContents(uri, one)
        if not isinstance(one, ResourceContents):
            raise TypeError(f"a resource holds str, bytes or ResourceContents, or nothing (None), not {type(one).__name__}")
        body = one.body if isinstance(one.body, str) else bytes(one.body)
        return ResourceContents(one.uri, body, one.mime_type or self.mime_type)


def resource(uri, /, *, name=None, title=None, mime_type=None):
    """Makes a function a resource: `@resource("notes://all", mime_type="text/plain")`.

    With `{variable}` in its URI it is a family of them, and each variable a parameter of the function. The function
    returns text, bytes, `ResourceContents` or a list of them; `None` where there is nothing.
    """
    if not isinstance(uri, str):
        raise TypeError('a resource has a URI: @resource("notes://all")')

    def made_of(function):
        # What cannot be a resource is found when the component is built.
        made = Resource(function, uri, name, title, mime_type)
        if uri in resources:
            raise ValueError(f"two resources are at {uri}: give one another URI")
        export.others(function, "resources")
        resources[uri] = made
        return function

    return made_of


def read(uri):
    """What a URI holds, by the resource of that name, else by the first family that has something there."""
    if uri in resources and not resources[uri].is_template:
        return resources[uri].read(uri)
    for family in resources.values():
        contents = family.read(uri) if family.is_template else None
        if contents is not None:
            return contents
    return None


def _pattern(uri):
    """What its URIs match; the longest parts that let the rest match."""
    pattern, end = "", 0
    for found in _VARIABLE.finditer(uri):
        pattern += re.escape(uri[end : found.start()])
        pattern += f"(?P<{found[2]}>{'.+' if found[1] else '[^/?#]+'})"
        end = found.end()
    return re.compile(pattern + re.escape(uri[end:]), re.DOTALL)


def _listed(names):
    return ", ".join(f"`{name}`" for name in names) or "none"
