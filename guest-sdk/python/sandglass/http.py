"""`urllib.request` over wasi:http: CPython has no sockets in WebAssembly.

Where the tool may not reach a host, `urlopen` raises `urllib.error.URLError` as it does for any other host that is
not to be had.
"""

import http.client
import io
import urllib.error
import urllib.request
import urllib.response
from email.message import Message
from urllib.parse import urlsplit

from componentize_py_types import Err
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as wasi
from wit_world.imports.streams import StreamError_Closed

# A body's stream takes so many bytes at once (wasi:io, `blocking-write-and-flush`).
_CHUNK = 4096
_READ = 1 << 16

# Their values are the host's to give.
_NOT_OURS = ("connection", "host", "transfer-encoding")

_METHODS = {
    name: getattr(wasi, f"Method_{name.capitalize()}")
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
}


class HTTPHandler(urllib.request.AbstractHTTPHandler):
    """Sends requests through the host."""

    def http_open(self, request):
        return _send(request)

    https_open = http_open
    http_request = urllib.request.AbstractHTTPHandler.do_request_
    https_request = http_request


class Response(urllib.response.addinfourl):
    """What `urlopen` returns: a file with `status`, `reason` and `headers`."""

    def __init__(self, body, headers, url, status):
        super().__init__(body, headers, url, status)
        self.reason = self.msg = http.client.responses.get(status, "")

    def getheader(self, name, default=None):
        return self.headers.get(name, default)

    def getheaders(self):
        return list(self.headers.items())


def install():
    """From now on `urlopen` and new openers use the host's HTTP."""
    urllib.request.HTTPHandler = HTTPHandler
    urllib.request.install_opener(urllib.request.build_opener())


def _send(request):
    parts = urlsplit(request.full_url)
    try:
        outgoing = wasi.OutgoingRequest(_fields(request))
        method = _METHODS.get(request.get_method())
        outgoing.set_method(method() if method else wasi.Method_Other(request.get_method()))
        outgoing.set_scheme(wasi.Scheme_Https() if request.type == "https" else wasi.Scheme_Http())
        outgoing.set_authority(request.host)
        outgoing.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        body = outgoing.body()
        future = outgoing_handler.handle(outgoing, _options(request))
        _write(body, request.data)
        response = _wait(future)
    except Err as error:
        raise urllib.error.URLError(_reason(error.value, parts)) from None
    headers = Message()
    for name, value in response.headers().entries():
        headers[name] = value.decode("latin-1")
    return Response(io.BufferedReader(_Body(response.consume()), _READ), headers, request.full_url, response.status())


def _fields(request):
    headers = request.headers | request.unredirected_hdrs
    named = ((name.lower(), str(value).encode("latin-1")) for name, value in headers.items())
    return wasi.Fields.from_list([(name, value) for name, value in named if name not in _NOT_OURS])


def _options(request):
    timeout = request.timeout
    if not isinstance(timeout, (int, float)):
        return None
    options = wasi.RequestOptions()
    nanoseconds = max(int(timeout * 1e9), 1)
    options.set_connect_timeout(nanoseconds)
    options.set_first_byte_timeout(nanoseconds)
    options.set_between_bytes_timeout(nanoseconds)
    return options


def _write(body, data):
    if data:
        pieces = [data] if isinstance(data, (bytes, bytearray, memoryview)) else data
        if hasattr(pieces, "read"):
            pieces = iter(lambda: data.read(_READ), b"")
        with body.write() as stream:
            for piece in pieces:
                piece = bytes(piece)
                for start in range(0, len(piece), _CHUNK):
                    stream.blocking_write_and_flush(piece[start : start + _CHUNK])
    wasi.OutgoingBody.finish(body, None)


def _wait(future):
    while (ready := future.get()) is None:
        with future.subscribe() as pollable:
            pollable.block()
    for result in (ready, ready.value):
        if isinstance(result, Err):
            raise result
    return ready.value.value


class _Body(io.RawIOBase):
    """A response's body as a file."""

    def __init__(self, body):
        # The stream is the body's child, which is kept for as long.
        self._incoming = body
        self._stream = body.stream()
        self._ended = False

    def readable(self):
        return True

    def readinto(self, buffer):
        if self._ended:
            return 0
        try:
            piece = b""
            while not piece:
                piece = self._stream.blocking_read(min(len(buffer), _READ))
        except Err as error:
            self._ended = True
            if isinstance(error.value, StreamError_Closed):
                return 0
            raise http.client.IncompleteRead(b"") from None
        buffer[: len(piece)] = piece
        return len(piece)


def _reason(code, parts):
    if isinstance(code, wasi.ErrorCode_HttpRequestDenied):
        return f"this tool is not allowed to reach {parts.scheme}://{parts.netloc}: its operator has to grant it"
    if isinstance(code, wasi.ErrorCode_DestinationIpProhibited):
        return f"{parts.hostname} is a private or reserved address, which this tool is not allowed to reach: its operator has to grant it"
    name = type(code).__name__.removeprefix("ErrorCode_")
    return f"{parts.hostname}: {getattr(code, 'value', None) or name}"
