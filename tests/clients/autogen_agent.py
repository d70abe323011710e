"""An autogen agent with a tool of a host, as the KAITO guide builds it: `autogen_agent.py MCP_URL MODEL_URL`, with
TOKEN where the host asks for one; autogen prints what happens."""

import asyncio
import os
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.ui import Console
from autogen_core.models import ModelFamily
from autogen_ext.models.openai import OpenAIChatCompletionClient
from autogen_ext.tools.mcp import StreamableHttpMcpToolAdapter, StreamableHttpServerParams
from openai import OpenAI


async def main(mcp_url, model_url):
    token = os.environ.get("TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    server = StreamableHttpServerParams(url=mcp_url, headers=headers, timeout=120.0, terminate_on_close=True)
    tool = await StreamableHttpMcpToolAdapter.from_server_params(server, "get_current_time")
    endpoint = {"base_url": model_url, "api_key": "none"}
    model = OpenAIChatCompletionClient(
        model=OpenAI(**endpoint).models.list().data[0].id,
        model_info={
            "vision": False,
            "function_calling": True,
            "json_output": True,
            "family": ModelFamily.UNKNOWN,
            "structured_output": True,
        },
        **endpoint,
    )
    agent = AssistantAgent("time_assistant", model_client=model, tools=[tool], system_message="You know what time it is.")
    await Console(agent.run_stream(task="What time is it in Europe/Paris?"))


asyncio.run(main(sys.argv[1], sys.argv[2]))
