"""Run xmppbridge for the load harness (same process id), from the environment that it gives.

gw_xmppbridge.py               archive on, as by default
gw_xmppbridge.py --noarchive   archive off
gw_xmppbridge.py --ram         archive on, database in memory (/dev/shm)
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = """
[store]
url = "sqlite:///{database}"

[limits]
stanzas_per_second = 1e9
stanza_burst = 1000000000

[log]
level = "error"

[gateways."{jid}"]
network = "irc"

[gateways."{jid}".component]
host = "{host}"
port = {port}
secret = "{secret}"

[gateways."{jid}".irc]
tls_ports = []
ports = [{irc_port}]
throttle_burst = -1
connect_rate = 1e6
connect_burst = 1000000
record_history = {archive}
"""


def main() -> None:
    """Write the configuration and become the gateway."""
    environment = os.environ
    data = Path(environment["DATA_DIR"])
    storage = Path(tempfile.mkdtemp(prefix="xb-", dir="/dev/shm")) if "--ram" in sys.argv else data
    config = data / "xmppbridge.toml"
    config.write_text(
        CONFIG.format(
            database=storage / "xmppbridge.sqlite",
            jid=environment["COMPONENT_JID"],
            host=environment["COMPONENT_HOST"],
            port=environment["COMPONENT_PORT"],
            secret=environment["COMPONENT_SECRET"],
            irc_port=environment["IRC_PORT"],
            archive="false" if "--noarchive" in sys.argv else "true",
        )
    )
    environment["PYTHONPATH"] = str(ROOT)
    os.chdir(data)
    os.execv(sys.executable, [sys.executable, "-m", "bridge.cli", "run", "--config", str(config)])


if __name__ == "__main__":
    main()
