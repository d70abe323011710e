"""LangChain's MCP adapters against a host: `langchain_adapters.py URL`; prints what it saw as JSON."""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient


async def main(url):
    client = MultiServerMCPClient({"time": {"transport": "streamable_http", "url": url}})
    tools = {tool.name: tool for tool in await client.get_tools()}

    async def ask(timezone):
        # In the form in which a model asks: only then is the answer a message, with a status.
        call = {"type": "tool_call", "id": "1", "name": "get_current_time", "args": {"timezone": timezone}}
        return await tools["get_current_time"].ainvoke(call)

    current, failure = await ask("Europe/Warsaw"), await ask("Mars/Olympus")
    seen = {
        "tools": list(tools),
        "text": current.text,
        "failure": failure.text if failure.status == "error" else None,
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
