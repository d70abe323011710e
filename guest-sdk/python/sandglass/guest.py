"""Between the contract's types (wit/) and the functions: what `componentize-py` exports."""

import collections
import json
import os
import random
import sys

from wit_world import exports
from wit_world.exports import tools as wit
from wit_world.imports import sandglass_tool_types as types

from . import content, functions, http, tasks, tools

#: Nearly all of 32 bits' address space, in bytes.
_MORE_THAN_ANY_LIMIT = sys.maxsize - (1 << 16)

#: Lines of an exception's way that are logged.
_TRACE = 10

http.install()
tasks.install()


class Tools(exports.Tools):
    """The tools of a module that uses `@tool`."""

    def list_tools(self):
        return [described(functions.describe(function, name), function) for name, (function, _) in tools.tools.items()]

    def call_tool(self, request):
        if request.name not in tools.tools:
            return wit.Outcome_Failed(wit.CallError_UnknownTool(request.name))
        begin()
        return answer(*tools.tools[request.name], request.arguments)


def described(description, function):
    """What a function says of itself, and what `@tool` adds."""
    options = getattr(function, "__sandglass_tool__", None)
    title, hints = (options.title, options.hints) if options else (None, ())
    annotations = wit.ToolAnnotations(title, *hints) if any(hint is not None for hint in hints) else None
    output = description.output_schema
    return wit.Tool(
        name=description.name,
        title=title,
        description=description.description,
        input_schema=json.dumps(description.input_schema),
        output_schema=None if output is None else json.dumps(output),
        annotations=annotations,
        task_support=None,
        icons=[],
        meta=None,
    )


def begin():
    """Begins a call: what the component's snapshot holds was made when it was built, and is the same in each call."""
    random.seed()


def answer(function, planned, arguments):
    """Calls a function; whatever it raises becomes the call's error."""
    try:
        result = functions.call(function, planned, json.loads(arguments))
        if result is None:
            return wit.Outcome_Done(wit.Success(None, functions.nothing_text(planned), False, None))
        blocks = content.blocks_of(result)
        if blocks is not None:
            return wit.Outcome_Done(wit.Success([block_of(block) for block in blocks], None, False, None))
        return wit.Outcome_Done(wit.Success(None, functions.result_text(result), False, None))
    except functions.InvalidArguments as error:
        return wit.Outcome_Failed(wit.CallError_InvalidArguments(str(error)))
    except BaseException as error:
        return failed(error)


def failed(error):
    """An exception as the call's error."""
    return wit.Outcome_Failed(wit.CallError_Failed(told(error)))


def told(error):
    """What the caller is told of an exception; where it was raised goes to the log."""
    if isinstance(error, MemoryError) and not error.args:
        # One with words is somebody's own, or that of Python's parser.
        _out_of_memory()
    text = functions.failure_text(error)
    if not isinstance(error, functions.ToolError):
        for line in _trace(error):
            print(line, file=sys.stderr)
        print(text if text.startswith(type(error).__name__) else f"{type(error).__name__}: {text}", file=sys.stderr)
    return text


def _out_of_memory():
    """Ends the call where memory is at its end: the host knows the limit, and says so of a tool that dies of it."""
    try:
        # CPython may have refused a size that it cannot even ask for; what it can ask for the host has to refuse.
        bytearray(_MORE_THAN_ANY_LIMIT)
    except MemoryError:
        os.abort()


def _trace(error):
    """The tool's own lines that led there, the last ones of many."""
    lines = collections.deque(maxlen=_TRACE)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        # Modules of the component have whole paths, the tool's own source only a name.
        if not code.co_filename.startswith("/"):
            lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}')
        trace = trace.tb_next
    return lines


def block_of(block):
    """A block of content as the contract has it."""
    match block:
        case content.Text(text):
            return types.Content_Text(types.TextContent(functions.told_text(text), None, None))
        case content.Image(data, mime_type):
            return types.Content_Image(types.MediaContent(data, mime_type, None, None))
        case content.Audio(data, mime_type):
            return types.Content_Audio(types.MediaContent(data, mime_type, None, None))
        case content.Link(uri, name, description, mime_type):
            link = types.ResourceLink(uri, name, None, description, mime_type, None, [], None, None)
            return types.Content_ResourceLink(link)
        case content.ResourceContents():
            return types.Content_EmbeddedResource(types.EmbeddedResource(contents_of(block), None, None))


def contents_of(contents):
    """What a resource holds, as the contract has it."""
    body = contents.body
    body = types.ResourceBody_Text(functions.told_text(body)) if isinstance(body, str) else types.ResourceBody_Blob(bytes(body))
    return types.ResourceContents(contents.uri, contents.mime_type, body, None)
