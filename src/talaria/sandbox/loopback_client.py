"""The sandbox's own HTTP client."""

import ssl

import httpx


def loopback_client() -> httpx.AsyncClient:
    """For plain http on loopback: obeys no proxy of the environment, trusts no certificate, so that none is loaded."""
    return httpx.AsyncClient(trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
