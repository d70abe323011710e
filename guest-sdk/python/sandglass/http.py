"""`urllib.request` over wasi:http: CPython has no sockets in WebAssembly.

Where the tool may not reach a host, `urlopen` raises `urllib.error.URLError` as it does for any other host that is
not to be had.
"""

import http.client
import io
import re
import urllib.error
import urllib.request
import urllib.response
from email.message import Message
from urllib.parse import quote, urlsplit

from componentize_py_types import Err
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as wasi
from wit_world.imports.streams import StreamError_Closed

# A body's stream takes so many bytes at once (wasi:io, `blocking-write-and-flush`).
_CHUNK = 4096
_READ = 1 << 16

# What a URL cannot have (CPython, `http.client`), and what it has but as `%XX` (RFC 3986, section 2).
_CONTROL = re.compile("[\x00-\x20\x7f]")
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"

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
    target = _target(request.host, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    method = request.get_method()
    known = _METHODS.get(method)
    try:
        outgoing = wasi.OutgoingRequest(_fields(request))
        _set(outgoing.set_method, known() if known else wasi.Method_Other(method), f"{method!r} is no method of HTTP")
        outgoing.set_scheme(wasi.Scheme_Https() if request.type == "https" else wasi.Scheme_Http())
        _set(outgoing.set_authority, request.host, f"{request.host!r} is no host of a URL")
        _set(outgoing.set_path_with_query, target, f"{target!r} is no path of a URL")
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


def _target(host, target):
    """The path and query as they are sent. Fails as CPython's `http.client` does, and in its words."""
    if "@" in host:
        raise http.client.InvalidURL("a URL has no user and no password here: send them in the header `Authorization`")
    for part in (host, target):
        if found := _CONTROL.search(part):
            raise http.client.InvalidURL(f"URL can't contain control characters. {part!r} (found at least {found[0]!r})")
    return quote(target, safe=_AS_IT_IS)


def _set(setter, value, wrong):
    """Sets a part of a request; the contract gives no reason where it cannot be."""
    try:
        setter(value)
    except Err:
        raise http.client.InvalidURL(wrong) from None


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

    #: The bodies whose streams are not closed yet. A stream is its body's child (wasi:http, `incoming-body`), and to drop
    #: the parent first is a trap; the garbage collector knows nothing of that.
    _open = set()

    def __init__(self, body):
        self._stream = body.stream()
        self._incoming = body
        self._open.add(body)
        self._ended = False

    def close(self):
        # Also called by the file's own finalizer, for who reads no further and closes nothing.
        if not self.closed:
            super().close()
            self._stream.__exit__(None, None, None)
            self._open.discard(self._incoming)
            self._incoming.__exit__(None, None, None)

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
            raise OSError(f"the response ended early: {error.value.value.to_debug_string()}") from None
        buffer[: len(piece)] = piece
        return len(piece)


def _reason(code, parts):
    if isinstance(code, wasi.ErrorCode_HttpRequestDenied):
        return f"this tool is not allowed to reach {parts.scheme}://{parts.netloc}: its operator has to grant it"
    if isinstance(code, wasi.ErrorCode_DestinationIpProhibited):
        return f"{parts.hostname} is a private or reserved address, which this tool is not allowed to reach: its operator has to grant it"
    if isinstance(code, wasi.ErrorCode_ConnectionLimitReached):
        return "the call has sent as many requests as it may (limits.http.requests)"
    name = type(code).__name__.removeprefix("ErrorCode_")
    return f"{parts.hostname}: {getattr(code, 'value', None) or name}"
