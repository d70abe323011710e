"""The interpreter of inline Python: a source's top-level functions are tools.

This module is imported when the component is built, and what it imports lies ready in the component's memory: a call
starts there. It reads the source once, in `list_tools`, and keeps its code for the calls.
"""

import gc
import marshal
import sys
import types

import library
import standard
import timezones
from componentize_py_types import Err
from sandglass import functions, guest
from wit_world import exports
from wit_world.exports import tools as wit
from wit_world.imports import source

#: What a source's module is called.
MODULE = "tools"

_NO_SOURCE = "this is the interpreter of inline Python: bind a source to it, with `python: |` in the manifest or a .py file"


class Tools(exports.Tools):
    """The tools of the source that the host has bound to this component."""

    def list_tools(self):
        script = source.bound()
        if script is None:
            raise Err(_NO_SOURCE)
        try:
            code, module = library.load(script.name, script.text, _module())
            found, problems = library.tools_of(script.name, module)
        except library.BadSource as problem:
            raise Err(str(problem)) from None
        for name, reason in problems:
            if not script.partial:
                raise Err("; ".join(f"`{name}`: {reason}" for name, reason in problems))
            source.leave_out(name, reason)
        plans = {description.name: (key, functions.plan(function)) for key, function, description in found}
        source.keep(marshal.dumps((code, plans)))
        return [guest.described(description, function) for _, function, description in found]

    def call_tool(self, request):
        guest.begin()
        code, plans = marshal.loads(source.kept())
        if request.name not in plans:
            return wit.Outcome_Failed(wit.CallError_UnknownTool(request.name))
        key, planned = plans[request.name]
        module = _module()
        try:
            exec(code, module.__dict__)
        except BaseException as error:
            return guest.failed(error)
        return guest.answer(module.__dict__[key], planned, request.arguments)


def _module():
    module = sys.modules[MODULE] = types.ModuleType(MODULE)
    return module


timezones.install()
standard.seal()
# What is here already stays: the collector need not look at it, nor write to its pages.
gc.collect()
gc.freeze()
