"""The file that the homeserver's operator puts beside his own configuration (MX v1.19 registration)."""

from __future__ import annotations

import json
import re

from transports.matrix.config import MatrixConfig

TEMPLATE = """\
# For the homeserver: name this file in its app_service_config_files. Keep it secret.
id: {id}
url: {url}
as_token: {as_token}
hs_token: {hs_token}
sender_localpart: {sender}
namespaces:
  users:
    - exclusive: true
      regex: {users}
  aliases:
    - exclusive: true
      regex: {aliases}
  rooms: []
rate_limited: false
receive_ephemeral: true
protocols:
  - xmpp
"""


def registration(config: MatrixConfig) -> str:
    """Return the registration as YAML; it holds both tokens."""
    prefix, server = re.escape(config.prefix), re.escape(config.server_name)
    values = {
        "id": config.id,
        "url": config.url or f"http://{config.listen}",
        "as_token": config.as_token.reveal(),
        "hs_token": config.hs_token.reveal(),
        "sender": config.sender,
        "users": f"@{prefix}.*:{server}",
        "aliases": f"#{prefix}.*:{server}",
    }
    # a JSON string is a YAML scalar
    return TEMPLATE.format_map({name: json.dumps(value) for name, value in values.items()})
