"""What docstrings say: of the function, and of each parameter in Google's, NumPy's and Sphinx' form."""

import inspect
import re

# Google's sections; those in the second group end the description and say nothing to a caller of the tool.
_GOOGLE_PARAMETERS = ("Args:", "Arguments:", "Parameters:", "Params:")
_GOOGLE_OTHERS = ("Returns:", "Return:", "Yields:", "Raises:", "Example:", "Examples:", "Note:", "Notes:")
_NUMPY = re.compile(r"-{3,}\s*$")
_NUMPY_PARAMETER = re.compile(r"^(\*{0,2}\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_GOOGLE_PARAMETER = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_SPHINX = re.compile(r"^:(?P<field>param|parameter|arg|argument|type|returns?|rtype|raises?)\b(?P<rest>[^:]*):\s*(?P<text>.*)$")


def parse(docstring):
    """The description, and the parameters' own by their names."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    description, parameters = [], {}
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        following = lines[index + 1].strip() if index + 1 < len(lines) else ""
        if line in _GOOGLE_PARAMETERS or line in _GOOGLE_OTHERS:
            block, index = _indented(lines, index + 1)
            if line in _GOOGLE_PARAMETERS:
                parameters |= _google(block)
        elif line and _NUMPY.match(following):
            block, index = _until_heading(lines, index + 2)
            if line.lower() in ("parameters", "other parameters"):
                parameters |= _numpy(block)
        elif found := _SPHINX.match(line):
            block, index = _indented(lines, index + 1)
            if found["field"] in ("param", "parameter", "arg", "argument") and found["rest"].split():
                # `:param int days:` has a type before the name.
                parameters[found["rest"].split()[-1]] = _joined([found["text"], *block])
        else:
            description.append(lines[index].rstrip())
            index += 1
    return "\n".join(description).strip(), {name: text for name, text in parameters.items() if text}


def _indented(lines, index):
    """The lines that stand further in, and where they end."""
    block = []
    while index < len(lines) and (not lines[index].strip() or lines[index][0].isspace()):
        block.append(lines[index])
        index += 1
    return block, index


def _until_heading(lines, index):
    block = []
    while index < len(lines):
        if index + 1 < len(lines) and lines[index].strip() and _NUMPY.match(lines[index + 1].strip()):
            break
        block.append(lines[index])
        index += 1
    return block, index


def _google(block):
    block = [line for line in block if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in block), default=0)
    entries = {}
    name = None
    for line in block:
        found = _GOOGLE_PARAMETER.match(line[margin:]) if not line[margin].isspace() else None
        if found:
            name = found[1]
            entries[name] = [found[2]]
        elif name:
            entries[name].append(line)
    return {name: _joined(lines) for name, lines in entries.items()}


def _numpy(block):
    entries, names = {}, []
    for line in block:
        if line and not line[0].isspace():
            found = _NUMPY_PARAMETER.match(line)
            names = [name.strip(" *") for name in found[1].split(",")] if found else []
            for name in names:
                entries[name] = []
        else:
            for name in names:
                entries[name].append(line)
    return {name: _joined(lines) for name, lines in entries.items()}


def _joined(lines):
    return "\n".join(line.strip() for line in lines).strip()
