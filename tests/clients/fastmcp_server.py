"""Serves a Python source's functions by FastMCP, as the runtime that Sandglass replaces does: `fastmcp_server.py SOURCE`."""

import socket
import sys
import types

import uvicorn
from fastmcp import FastMCP

path = sys.argv[1]
module = sys.modules["tools"] = types.ModuleType("tools")
with open(path) as file:
    exec(compile(file.read(), path, "exec"), module.__dict__)
server = FastMCP("tools")
for value in list(vars(module).values()):
    if isinstance(value, types.FunctionType) and value.__module__ == "tools":
        server.tool(value)
# With its protocol named: only then does asyncio turn off Nagle's algorithm, which would add 40 ms to each answer.
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
app = server.http_app(path="/mcp", stateless_http=True, json_response=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
