"""What the homeserver's operator needs: the registration (MX v1.19 registration), and Synapse's settings."""

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

SYNAPSE = """\
# Synapse: save this in the folder /etc/matrix-synapse/conf.d, or put it into homeserver.yaml. The
# registration goes where the first lines say, readable by Synapse; then restart Synapse.
app_service_config_files:
  - {file}

# XMPP users who own a room may put it into the public list; Synapse 1.126 and later let nobody, unless told
room_list_publication_rules:
  - user_id: {ghosts}
    action: allow

# who is online is told both ways
presence:
  enabled: true
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


def synapse(config: MatrixConfig) -> str:
    """Return Synapse's part, as YAML, for a registration that is kept under its id."""
    values = {
        "file": f"/etc/matrix-synapse/{config.id}.yaml",
        "ghosts": f"@{config.prefix}*:{config.server_name}",
    }
    return SYNAPSE.format_map({name: json.dumps(value) for name, value in values.items()})
