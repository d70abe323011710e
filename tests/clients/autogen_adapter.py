"""autogen's adapter of MCP tools against a host: `autogen_adapter.py URL`; prints what it saw as JSON."""

import asyncio
import json
import sys

from autogen_core.tools import StaticWorkbench
from autogen_ext.tools.mcp import StreamableHttpMcpToolAdapter, StreamableHttpServerParams, mcp_server_tools


async def main(url):
    server = StreamableHttpServerParams(url=url, timeout=120.0, terminate_on_close=True)
    tools = await mcp_server_tools(server)
    adapter = await StreamableHttpMcpToolAdapter.from_server_params(server, "get_current_time")
    # Agents call tools through one of these.
    workbench = StaticWorkbench([adapter])
    current = await workbench.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})
    failure = await workbench.call_tool("get_current_time", {"timezone": "Mars/Olympus"})
    seen = {
        "tools": [tool.name for tool in tools],
        # The adapter hands over content blocks as JSON.
        "text": json.loads(current.to_text())[0]["text"],
        "failure": failure.to_text() if failure.is_error else None,
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
