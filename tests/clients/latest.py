"""mcp 2.x against a host: `latest.py MODE URL` or `latest.py MODE PROGRAM ARGUMENT..`; prints what it saw as JSON."""

import asyncio
import json
import sys

from mcp import Client, MCPError, StdioServerParameters


async def outcome(call):
    """A call's result, or the protocol's error, in the form that the tests compare."""
    try:
        result = await call
    except MCPError as error:
        return {"is_error": True, "text": str(error), "structured": None}
    text = "".join(block.text for block in result.content if block.type == "text")
    return {"is_error": bool(result.is_error), "text": text, "structured": result.structured_content}


async def main(mode, target):
    server = target[0]
    if not server.startswith("http"):
        server = StdioServerParameters(command=target[0], args=target[1:])
    steps = []

    async def on_progress(progress, total, message):
        steps.append(progress)

    async with Client(server, mode=mode, read_timeout_seconds=120) as client:
        seen = {
            "tools": [tool.name for tool in (await client.list_tools()).tools],
            "current": await outcome(client.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})),
            "conversion": await outcome(
                client.call_tool(
                    "convert_time",
                    {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Kathmandu"},
                )
            ),
            "bad_zone": await outcome(client.call_tool("get_current_time", {"timezone": "../etc/passwd"})),
            "tool_failure": await outcome(client.call_tool("fail", {"message": "the kettle is empty"})),
            "bad_arguments": await outcome(client.call_tool("typed", {"count": "one"})),
            "unknown_tool": await outcome(client.call_tool("nope", {})),
        }
        await outcome(client.call_tool("progress", {}, progress_callback=on_progress))
    seen["progress"] = steps
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
