"""`xmppbridge check --live`: whether links to files lead to our web server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.web.client import Agent, readBody

from bridge.cli.check import Finding, error, ok, warning
from bridge.config import WebConfig
from bridge.web.server import NOTHING, WebServer

TIMEOUT = 10.0
"""Seconds that our own address has to answer."""
NOWHERE = "/check"
"""A path that leads nowhere on our web server."""


async def web_finding(config: WebConfig, reactor: Any) -> Finding:
    """Ask the address that links begin with; a bridge that runs already answers it itself."""
    subject, listen = config.url, f"{config.listen.host}:{config.listen.port}"
    server = WebServer(reactor, config.listen.host, config.listen.port)
    with suppress(CannotListenError):
        server.start()
    asked = Agent(reactor, connectTimeout=TIMEOUT).request(b"GET", f"{config.url}{NOWHERE}".encode())
    try:
        response = await asked.addTimeout(TIMEOUT, reactor)
        body = await readBody(response).addTimeout(TIMEOUT, reactor)
    except Exception as failure:  # whatever it is, it is told
        reasons = getattr(failure, "reasons", None) or [failure]
        why = str(getattr(reasons[0], "value", reasons[0])) or type(failure).__name__
        return warning(subject, f"cannot be reached from here ({why}): links to files begin so")
    finally:
        await server.stop()
    if response.code == 404 and NOTHING in body.decode("utf-8", "replace"):
        return ok(subject, f"leads to {listen}")
    remedy = f"have the reverse proxy pass it to {listen}"
    return error(subject, f"something else answers there (HTTP {response.code}): {remedy}")
