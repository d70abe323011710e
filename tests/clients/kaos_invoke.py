"""As `kaos mcp invoke` calls a tool: one POST, with neither a session nor headers of MCP's. `kaos_invoke.py URL`; prints
what it saw as JSON."""

import json
import sys

import httpx


def invoke(method, params):
    message = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    response = httpx.post(sys.argv[1], json=message, timeout=120.0)
    response.raise_for_status()
    return response.json()["result"]


def current_time(timezone):
    return invoke("tools/call", {"name": "get_current_time", "arguments": {"timezone": timezone}})


current, failure = current_time("Europe/Warsaw"), current_time("Mars/Olympus")
seen = {
    "tools": [tool["name"] for tool in invoke("tools/list", {})["tools"]],
    "text": current["content"][0]["text"],
    "failure": failure["content"][0]["text"] if failure["isError"] else None,
}
print(json.dumps(seen))
