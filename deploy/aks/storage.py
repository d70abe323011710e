"""Blobs of a storage account, read with the pod's workload identity: no key is anywhere."""

import json
import os
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree


def _token():
    """Exchanges the token that Kubernetes has mounted for one of Entra ID (RFC 7523, section 2.2)."""
    with open("/identity/azure-identity-token") as file:
        assertion = file.read()
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["AZURE_CLIENT_ID"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "scope": "https://storage.azure.com/.default",
    }
    url = f"{os.environ['AZURE_AUTHORITY_HOST']}{os.environ['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as response:
        return json.load(response)["access_token"]


def _read(path: str) -> bytes:
    headers = {"Authorization": f"Bearer {_token()}", "x-ms-version": "2023-11-03"}
    request = urllib.request.Request(os.environ["AZURE_STORAGE_ACCOUNT_URL"] + path, headers=headers)
    with urllib.request.urlopen(request) as response:
        return response.read()


def list_blobs(container: str, prefix: str = "") -> list[str]:
    """List the names of a container's blobs, or of those that begin with a prefix."""
    query = urllib.parse.urlencode({"restype": "container", "comp": "list", "prefix": prefix})
    listed = ElementTree.fromstring(_read(f"{urllib.parse.quote(container, safe='')}?{query}"))
    return [name.text for name in listed.findall("./Blobs/Blob/Name")]


def read_blob(container: str, name: str) -> str:
    """Read a blob of text."""
    return _read(f"{urllib.parse.quote(container, safe='')}/{urllib.parse.quote(name)}").decode()
