"""mcp 1.x against a host: `legacy.py http URL` or `legacy.py stdio PROGRAM ARGUMENT..`; prints what it saw as JSON."""

import asyncio
import json
import sys

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


async def outcome(call):
    """A call's result, or the protocol's error, in the form that the tests compare."""
    try:
        result = await call
    except McpError as error:
        return {"is_error": True, "text": str(error), "structured": None}
    text = "".join(block.text for block in result.content if block.type == "text")
    return {"is_error": bool(result.isError), "text": text, "structured": result.structuredContent}


async def main(mode, target):
    if mode == "http":
        transport = streamablehttp_client(target[0])
    else:
        transport = stdio_client(StdioServerParameters(command=target[0], args=target[1:]))
    steps = []

    async def on_progress(progress, total, message):
        steps.append(progress)

    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        seen = {
            "tools": [tool.name for tool in (await session.list_tools()).tools],
            "current": await outcome(session.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})),
            "conversion": await outcome(
                session.call_tool(
                    "convert_time",
                    {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Kathmandu"},
                )
            ),
            "bad_zone": await outcome(session.call_tool("get_current_time", {"timezone": "../etc/passwd"})),
            "tool_failure": await outcome(session.call_tool("fail", {"message": "the kettle is empty"})),
            "bad_arguments": await outcome(session.call_tool("typed", {"count": "one"})),
            "unknown_tool": await outcome(session.call_tool("nope", {})),
        }
        await outcome(session.call_tool("progress", {}, progress_callback=on_progress))
    seen["progress"] = steps
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
