#!/usr/bin/env python3
"""Checks a host on AKS from outside: its pods and its load balancer, then MCP through the gateway, as an agent would.

Needs Python 3.9 and nothing else; kubectl for the infrastructure, az for --use-az-token."""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 30
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "sandglass-check", "version": "1"},
}


class Failure(Exception):
    """What is wrong, and what to do."""


def output_of(command):
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        raise Failure(f"`{command[0]}` is not installed") from None
    if ended.returncode:
        raise Failure(f"`{' '.join(command)}`: {ended.stderr.strip() or ended.returncode}")
    return ended.stdout


def http(method, url, headers=None, body=None):
    """Status, headers and text of an answer, whatever its status is."""
    request = urllib.request.Request(url, method=method, headers=headers or {}, data=body)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError as error:
        raise Failure(f"{url} cannot be reached: {error}") from None


def expect_json(url, answer):
    status, _, text = answer
    try:
        return status, json.loads(text)
    except ValueError:
        raise Failure(f"{url} answers {status} without JSON: {text[:200]!r}") from None


# The infrastructure.


def check_pods(options):
    label = f"app.kubernetes.io/name=sandglass,app.kubernetes.io/instance={options.release}"
    command = ["kubectl", "get", "pods", "-n", options.namespace, "-l", label, "-o", "json"]
    pods = json.loads(output_of(command))["items"]
    if not pods:
        raise Failure(f"no pods in {options.namespace} with {label}: check --namespace and --release")
    for pod in pods:
        conditions = {it["type"]: it for it in pod["status"].get("conditions", [])}
        ready = conditions.get("Ready", {})
        if ready.get("status") != "True":
            name = pod["metadata"]["name"]
            why = ready.get("message") or pod["status"].get("phase")
            raise Failure(f"{name} is not ready ({why}): kubectl logs -n {options.namespace} {name}")
    return f"{len(pods)} ready"


def check_load_balancer(options):
    command = ["kubectl", "get", "service", options.release, "-n", options.namespace, "-o", "json"]
    service = json.loads(output_of(command))
    ingress = service["status"].get("loadBalancer", {}).get("ingress", [])
    addresses = [it.get("ip") or it.get("hostname") for it in ingress]
    if not addresses:
        events = f"kubectl describe service -n {options.namespace} {options.release}"
        raise Failure(f"the load balancer has no address yet: {events}")
    if options.static_ip and options.static_ip not in addresses:
        raise Failure(f"the address is {', '.join(addresses)}, and not {options.static_ip}: check the annotation azure-pip-name")
    return ", ".join(addresses)


# The token.


def az_token(options):
    command = ["az", "account", "get-access-token", "--resource", options.audience, "--query", "accessToken", "-o", "tsv"]
    return output_of(command).strip()


def device_token(options):
    """Has a person sign in elsewhere (RFC 8628)."""
    metadata = f"{options.issuer.rstrip('/')}/.well-known/openid-configuration"
    _, found = expect_json(metadata, http("GET", metadata))
    client = {"client_id": options.client_id}

    def post(url, form):
        return expect_json(url, http("POST", url, body=urllib.parse.urlencode(form).encode()))

    scope = options.scope or f"{options.audience}/.default"
    _, device = post(found["device_authorization_endpoint"], {**client, "scope": scope})
    if "device_code" not in device:
        raise Failure(f"no sign-in: {device.get('error_description') or device}")
    print(f"      open {device['verification_uri']} and enter {device['user_code']}", flush=True)
    interval, end = device.get("interval", 5), time.monotonic() + device.get("expires_in", 900)
    grant = {**client, "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": device["device_code"]}
    while time.monotonic() < end:
        time.sleep(interval)
        _, told = post(found["token_endpoint"], grant)
        if "access_token" in told:
            return told["access_token"]
        if told.get("error") == "slow_down":
            interval += 5
        elif told.get("error") != "authorization_pending":
            raise Failure(f"no token: {told.get('error_description') or told.get('error') or told}")
    raise Failure("nobody signed in")


def token_of(options):
    if options.use_az_token:
        return az_token(options)
    if options.generate_token:
        return device_token(options)
    token = os.environ.get("TOKEN", "")
    if not token and not options.anonymous:
        raise Failure("no token: give --use-az-token or --generate-token, put one into TOKEN, or say --anonymous")
    return token


# MCP.


class Session:
    """A session as an agent has it."""

    def __init__(self, url, token):
        self.url, self.number, self.headers = url, 0, {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def post(self, method, params=None, **more):
        message = {"jsonrpc": "2.0", "method": method, **more}
        if params is not None:
            message["params"] = params
        return http("POST", self.url, self.headers, json.dumps(message).encode())

    def ask(self, method, params=None):
        self.number += 1
        status, headers, text = self.post(method, params, id=self.number)
        if status in (401, 403):
            raise Failure(f"{method}: {status}: check the audience and the scopes ({headers.get('WWW-Authenticate') or text[:200]})")
        if status != 200:
            raise Failure(f"{method}: {status}: {text[:200]!r}")
        self.headers.setdefault("Mcp-Session-Id", headers.get("Mcp-Session-Id") or "")
        frames = [line[5:] for line in text.splitlines() if line.startswith("data:")]
        for frame in filter(str.strip, frames or [text]):
            message = json.loads(frame)
            if message.get("id") == self.number:
                if "error" in message:
                    raise Failure(f"{method}: {message['error'].get('message')}")
                return message["result"]
        raise Failure(f"{method}: the stream ended without an answer: the gateway may buffer it (forward-request buffer-response)")


def check_refusal(session, words):
    status, headers, _ = session.post("initialize", HANDSHAKE, id=0)
    if status != 401:
        raise Failure(f"{words} is answered with {status}, not 401: anybody may call")
    if "resource_metadata" not in (headers.get("WWW-Authenticate") or ""):
        raise Failure(f"{words} is refused without saying where tokens are had: the policy's on-error lacks WWW-Authenticate")
    return "401, with where tokens are had"


def check_initialize(session):
    result = session.ask("initialize", HANDSHAKE)
    session.headers["MCP-Protocol-Version"] = result["protocolVersion"]
    session.post("notifications/initialized")
    return f"{result['serverInfo']['name']} {result['serverInfo']['version']}, {result['protocolVersion']}"


def check_call(session, tool, arguments):
    result = session.ask("tools/call", {"name": tool, "arguments": arguments})
    text = " ".join(it.get("text", "") for it in result["content"])
    if result.get("isError"):
        raise Failure(f"{tool}: {text}")
    return text[:100]


def check_end(session):
    status, _, text = http("DELETE", session.url, session.headers)
    if status not in (200, 204):
        raise Failure(f"DELETE: {status}: {text[:200]!r}: the gateway must pass DELETE on")
    return str(status)


def steps(options):
    if not options.skip_infra:
        yield "pods", lambda: check_pods(options)
        yield "load balancer", lambda: check_load_balancer(options)
    held = {}

    def take_token():
        held["session"] = Session(options.url, token_of(options))
        return "anonymous" if options.anonymous else "there"

    yield "token", take_token
    if "session" not in held:
        return
    session = held["session"]
    if not options.anonymous:
        yield "no token", lambda: check_refusal(Session(options.url, ""), "a request without a token")
        yield "wrong token", lambda: check_refusal(Session(options.url, "none"), "a wrong token")
    yield "initialize", lambda: check_initialize(session)
    yield "tools", lambda: ", ".join(it["name"] for it in session.ask("tools/list")["tools"])
    if options.tool:
        yield "call", lambda: check_call(session, options.tool, json.loads(options.arguments))
    yield "end", lambda: check_end(session)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("MCP_URL"), help="the address of MCP, such as https://APIM_NAME.azure-api.net/mcp [MCP_URL]")
    parser.add_argument("--skip-infra", action="store_true", help="leave out pods and load balancer")
    parser.add_argument("--namespace", default="mcp-agents", help="where the host runs")
    parser.add_argument("--release", default="sandglass", help="the name of the Helm release")
    parser.add_argument("--static-ip", help="the address that the load balancer must have")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--use-az-token", action="store_true", help="a token of whom `az` is logged in as")
    token.add_argument("--generate-token", action="store_true", help="a token of a person who signs in now")
    token.add_argument("--anonymous", action="store_true", help="no token: the host takes everybody")
    parser.add_argument("--audience", default=os.environ.get("MCP_AUDIENCE"), help="the application that tokens are for, as in the manifest [MCP_AUDIENCE]")
    parser.add_argument("--issuer", default=os.environ.get("MCP_ISSUER"), help="of --generate-token, as in the manifest [MCP_ISSUER]")
    parser.add_argument("--client-id", default=os.environ.get("MCP_CLIENT_ID"), help="of --generate-token: an application that people may sign in to [MCP_CLIENT_ID]")
    parser.add_argument("--scope", help="of --generate-token [default: AUDIENCE/.default]")
    parser.add_argument("--tool", help="a tool to call")
    parser.add_argument("--arguments", default="{}", help="its arguments, as JSON")
    options = parser.parse_args()
    needed = ["url"] + ["audience"] * (options.use_az_token or options.generate_token) + ["issuer", "client_id"] * options.generate_token
    missing = ["--" + name.replace("_", "-") for name in needed if not getattr(options, name)]
    if missing:
        parser.error(f"{', '.join(missing)} must be given")
    failed = 0
    for name, step in steps(options):
        try:
            print(f"ok    {name}: {step()}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL  {name}: {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
