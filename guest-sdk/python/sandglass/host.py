"""The host of the running call. Outside a component, as in an author's tests, nobody listens and nobody asks."""

from .functions import ToolError, result_text

try:
    from componentize_py_types import Err
    from wit_world.imports import host, sandglass_tool_types as types
except ModuleNotFoundError:
    host = None
try:
    from wit_world.imports import resource_updates
except ImportError:
    # Inline Python has none either: it has tools only.
    resource_updates = None

_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class AskError(ToolError):
    """Why there is no answer. `kind` is `unsupported` (the client can't be asked that), `timed-out` or `failed`."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def log(message, level="info"):
    """Sends a message to the host's log and to clients that listen. Levels are MCP's: debug, info, notice, warning, error, .."""
    if level.lower() not in _LEVELS:
        raise ValueError(f"there is no log level {level!r}: write one of {', '.join(_LEVELS)}")
    if host is not None:
        host.log(types.LogLevel[level.upper()], result_text(message), None)


def progress(progress, total=None, message=None):
    """Tells the caller how far the call is; `progress` must grow with each call."""
    if host is not None:
        host.progress(float(progress), None if total is None else float(total), message)


def updated(uri):
    """Tells clients that have subscribed to it that a resource has changed, once the call has ended."""
    if resource_updates is not None:
        resource_updates.updated(uri)


def ask(questions):
    """Asks questions as the contract has them; the contract's answers. Fails with `AskError`."""
    try:
        return host.ask(questions)
    except Err as error:
        raise _failure(error.value) from None


def _failure(error):
    match error:
        case host.AskError_Unsupported(what):
            return AskError("unsupported", what)
        case host.AskError_TimedOut():
            return AskError("timed-out", "nobody answered in time")
        case host.AskError_Failed(message):
            return AskError("failed", message)
