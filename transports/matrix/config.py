"""What the operator of a Matrix gateway sets: ``[gateways."<domain>".matrix]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bridge.secret import Secret

RESTART = {"restart": True}
Endpoint = Annotated[
    str,
    Meta(
        pattern=r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$",
        extra={"form": "an IP address and a port, like 127.0.0.1:29333"},
    ),
]
"""An IP address and a port."""
Localpart = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[a-z0-9._=/+-]+$",
        extra={"form": "at most 64 of the characters a to z, 0 to 9 and . _ = / + -"},
    ),
]
"""MX v1.19 appendices/user-identifiers: what a user id may be made of."""

Rule = Annotated[
    str,
    Meta(
        pattern=r"^(allow|deny) \S+ \S+$",
        extra={"form": '"allow" or "deny", whom, and what, like "deny spam.example *"'},
    ),
]
"""``allow`` or ``deny``, whom, and what."""


class MatrixConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Matrix gateway: an application service of one homeserver."""

    homeserver: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$",
            description="Where the client-server API of the homeserver answers, as seen from here.",
            examples=["http://127.0.0.1:8008"],
            extra={
                **RESTART,
                "ask": "The homeserver's address, e.g. http://127.0.0.1:8008",
                "form": "a URL, like http://127.0.0.1:8008",
            },
        ),
    ]
    server_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=230,
            pattern=r"^[A-Za-z0-9.:\[\]-]+$",
            description="The homeserver's server_name: what stands behind the colon in its users' ids.",
            examples=["example.org"],
            extra={
                **RESTART,
                "ask": "The homeserver's server_name, e.g. example.org",
                "form": "a server's name, like example.org",
            },
        ),
    ]
    as_token: Annotated[
        Secret,
        Meta(
            description="The token by which the homeserver knows the gateway, as in the registration.",
            extra=RESTART,
        ),
    ]
    hs_token: Annotated[
        Secret,
        Meta(
            description="The token by which the gateway knows the homeserver, as in the registration.",
            extra=RESTART,
        ),
    ]
    listen: Annotated[
        Endpoint,
        Meta(description="Address and port where the homeserver finds the gateway.", extra=RESTART),
    ] = "127.0.0.1:29333"
    url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^?#\s]+)?$",
            description="The same as a URL, as seen from the homeserver, for the registration; empty: "
            "http:// and the address of listen.",
            extra={**RESTART, "form": "a URL, like http://10.0.0.2:29333"},
        ),
    ] = ""
    id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            pattern=r"^[A-Za-z0-9._-]+$",
            description="The registration's id; no two application services of a homeserver share one.",
            extra={**RESTART, "form": "at most 64 letters, digits and . _ -"},
        ),
    ] = "xmppbridge"
    sender: Annotated[
        Localpart,
        Meta(
            description="Local part of the gateway's own user on the homeserver (sender_localpart).",
            extra=RESTART,
        ),
    ] = "xmppbridge"
    prefix: Annotated[
        Localpart,
        Meta(
            description="What the local parts of XMPP users begin with on the homeserver, and aliases of "
            "XMPP rooms.",
            extra=RESTART,
        ),
    ] = "_xmpp_"
    timeout: Annotated[
        float,
        Meta(
            ge=1,
            le=600,
            description="How long the homeserver may take for one answer.",
            extra={"unit": "seconds", **RESTART},
        ),
    ] = 60.0
    patience: Annotated[
        float,
        Meta(
            ge=0,
            le=86400,
            description="How long a message waits for a homeserver that is down before its sender is told.",
            extra={"unit": "seconds", **RESTART},
        ),
    ] = 300.0
    max_transaction: Annotated[
        int,
        Meta(
            ge=65536,
            description="Longest transaction taken from the homeserver; longer ones it would send for ever.",
            extra={"unit": "bytes", **RESTART},
        ),
    ] = 32 * 1024 * 1024
    max_waiting: Annotated[
        int,
        Meta(
            ge=100,
            description="Events from the homeserver that may wait to be passed on; above it, it has to wait.",
            extra=RESTART,
        ),
    ] = 10_000
    presences: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="XMPP users who are shown as online at a time, each of whom costs a request every 20 "
            "seconds; 0: nobody's presence is told to the homeserver.",
            extra=RESTART,
        ),
    ] = 200
    room_rules: Annotated[
        tuple[Rule, ...],
        Meta(
            description='Who may enter which rooms of Matrix: "allow USERS ROOMS" or "deny USERS ROOMS". The '
            "first rule that fits decides; where none does, it is allowed. USERS is a domain or an address, "
            "ROOMS a server, an alias or a room id, each with * for anything.",
            examples=[["deny *@guest.example.org *", "allow * example.org", "deny * #secret*:*"]],
        ),
    ] = ()
    contact_rules: Annotated[
        tuple[Rule, ...],
        Meta(
            description='Which Matrix users may speak to whom on XMPP: "allow MATRIX XMPP" or "deny MATRIX '
            'XMPP", the first that fits. MATRIX is a homeserver or a user id, XMPP a domain or an address '
            "of a user or a room.",
            examples=[["deny spam.example *", "allow @alice:example.org *@example.org"]],
        ),
    ] = ()

    @property
    def listen_host(self) -> str:
        """The address to listen on, without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def listen_port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])

    @property
    def bot(self) -> str:
        """The Matrix id of the gateway's own user."""
        return f"@{self.sender}:{self.server_name}"
