"""Options of the bridge's own web server: ``[web]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bridge.config.values import RESTART, Endpoint, HostPort

MEGABYTE = 1024 * 1024
Pattern = Annotated[
    str, Meta(pattern=r"^(\*|[a-z]+)/(\*|[a-z0-9.+-]+)$", extra={"form": "a media type, like image/*"})
]
"""A media type, or all of one sort: ``image/*``; ``*/*`` is all of them."""


class WebConfig(Struct, frozen=True, kw_only=True):
    """The bridge's web server: files go through it, both ways."""

    listen: Annotated[
        Endpoint,
        Meta(
            description="Address and port to answer at, in plain HTTP: a reverse proxy stands before it.",
            extra=RESTART,
        ),
    ] = Endpoint("127.0.0.1:5290")
    url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$",
            description="Where people reach it, through the reverse proxy; links to files begin so.",
            examples=["https://files.example.org"],
            extra={**RESTART, "form": "a URL, like https://files.example.org"},
        ),
    ]
    link_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="How long a link to a file works.",
            extra={"unit": "days", **RESTART},
        ),
    ] = 30
    max_file: Annotated[
        int,
        Meta(
            ge=1024,
            description="Largest file that is taken from XMPP, whether uploaded here or fetched from a link; "
            "the network may have a lower limit.",
            extra={"unit": "bytes", **RESTART},
        ),
    ] = 50 * MEGABYTE
    types: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Media types of files that are taken from XMPP.",
            examples=[["image/*", "video/*", "audio/*", "application/pdf"]],
            extra=RESTART,
        ),
    ] = ("*/*",)
    daily_quota: Annotated[
        int,
        Meta(
            ge=1024,
            description="What one user may upload here (XEP-0363) in a day.",
            extra={"unit": "bytes", **RESTART},
        ),
    ] = 500 * MEGABYTE
    transfers: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Files on their way to or from people at a time.", extra=RESTART),
    ] = 100
    fetch_ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65535)], ...],
        Meta(
            description="Ports of other servers that files are fetched from; the usual ones of the web and "
            "of XMPP servers.",
            extra=RESTART,
        ),
    ] = (80, 443, 5280, 5281, 5443, 7443)
    fetch_allowed: Annotated[
        tuple[HostPort, ...],
        Meta(
            description="Servers that files are fetched from though their address is private, or their port "
            "is none of those: host:port as links name them.",
            examples=[["upload.example.org:5443", "127.0.0.1:5280"]],
            extra=RESTART,
        ),
    ] = ()
