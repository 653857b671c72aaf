"""From the operator's configuration and a user's settings to where he connects, and as whom."""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import sha256
from ipaddress import IPv6Address

from bridge.errors import BridgeError, Trouble
from bridge.events import ServerId, UserId
from transports.irc.config import IrcConfig, ServerConfig
from transports.irc.dialer import Attempt, Target
from transports.irc.profile import Profile, WebIrc
from transports.irc.settings import ServerSettings
from transports.irc.tls import Trust

NO_CHOICE = ServerSettings()
"""The settings of a user who leaves everything to the gateway."""
_LOCAL_ADDRESSES = 0xFD << 120
"""RFC 4193 §3: fd00::/8, addresses of nobody else."""


class Plan:
    """Reads one configuration; `settings` are the user's for the server in question."""

    def __init__(self, config: IrcConfig) -> None:
        self.config = config
        self._servers = {name.lower(): server for name, server in config.servers.items()}
        self._allowed = tuple(pattern.lower() for pattern in config.allowed_servers)
        self._denied = tuple(pattern.lower() for pattern in config.denied_servers)

    def name(self, server: ServerId) -> str:
        """Return what people call the server."""
        return server or self.config.fixed_server

    def preset(self, server: ServerId) -> ServerConfig:
        """Return what the operator set for this server alone."""
        return self._servers.get(self.name(server).lower(), ServerConfig())

    def is_private(self, server: ServerId, settings: ServerSettings) -> bool:
        """Tell whether the user goes where others who name this server do not go.

        Then nothing may be shared with them: he could be talking to a server of his own making.
        """
        preset = self.preset(server)
        return self._host(server, preset, settings) != (preset.host or self.name(server)) or self._attempts(
            preset, settings
        ) != self._attempts(preset, NO_CHOICE)

    def target(self, server: ServerId, settings: ServerSettings) -> Target:
        """Say where to connect; BridgeError NOT_ALLOWED if the operator forbids it."""
        name = self.name(server)
        preset = self.preset(server)
        self._check(name)
        host = self._host(server, preset, settings)
        if host != preset.host:
            self._check(host)
        attempts = self._attempts(preset, settings)
        if not attempts:
            raise BridgeError(Trouble.NOT_ALLOWED, f"There is no port to connect to {name} on.")
        bind = self.config.outgoing_bind if preset.outgoing_bind is None else preset.outgoing_bind
        return Target(host=host, attempts=attempts, trust=self._trust(preset, settings), bind=bind)

    def _host(self, server: ServerId, preset: ServerConfig, settings: ServerSettings) -> str:
        name = self.name(server)
        if settings.address in ("", name) or self.config.fixed_server or not self.config.allow_addresses:
            return preset.host or name
        return settings.address

    def _check(self, name: str) -> None:
        folded = name.lower()
        if any(fnmatchcase(folded, pattern) for pattern in self._denied) or (
            self._allowed and not any(fnmatchcase(folded, pattern) for pattern in self._allowed)
        ):
            raise BridgeError(Trouble.NOT_ALLOWED, f"The operator does not allow connections to {name}.")

    def _attempts(self, preset: ServerConfig, settings: ServerSettings) -> tuple[Attempt, ...]:
        config = self.config
        secure = config.tls_ports if preset.tls_ports is None else preset.tls_ports
        plain = config.ports if preset.ports is None else preset.ports
        own = (settings.tls_ports, settings.ports)
        if config.allow_addresses and own not in (((), ()), (config.tls_ports, config.ports)):
            secure, plain = own
        return (
            *(Attempt(port=port, secure=True) for port in secure),
            *(Attempt(port=port, secure=False) for port in plain),
        )

    def _trust(self, preset: ServerConfig, settings: ServerSettings) -> Trust:
        verify = self.config.verify if preset.verify is None else preset.verify
        return Trust(
            verify=verify and settings.verify_cert,
            ca_file=self.config.ca_file if preset.ca_file is None else preset.ca_file,
            fingerprint=settings.fingerprint or preset.fingerprint,
            certificate="\n".join(settings.sasl_external),
        )

    def profile(self, user: UserId, server: ServerId, nick: str, settings: ServerSettings) -> Profile:
        """Say who `user` is there; `nick` is what he asked for."""
        config, preset = self.config, self.preset(server)
        nick = settings.nick or nick
        username = realname = nick
        if config.realname_from_jid:
            username, realname = user.partition("@")[0], user
        if config.realname_customization:
            username, realname = settings.username or username, settings.realname or realname
        burst = config.throttle_burst if preset.throttle_burst is None else preset.throttle_burst
        return Profile(
            nick=nick,
            username=username,
            realname=realname,
            password=settings.password,
            sasl_account=settings.sasl_account or nick,
            sasl_password=settings.sasl_password,
            sasl_external=bool(settings.sasl_external),
            require_sasl=bool(settings.sasl_password or settings.sasl_external),
            encoding_in=settings.encoding_in or preset.encoding or config.encoding,
            encoding_out=settings.encoding_out,
            burst=burst
            if settings.throttle_limit in (None, config.throttle_burst)
            else settings.throttle_limit,
            rate=preset.throttle_rate or config.throttle_rate,
            after_connect_commands=settings.after_connect_commands,
            webirc=self._webirc(user, preset),
        )

    def _webirc(self, user: UserId, preset: ServerConfig) -> WebIrc | None:
        """IRCv3 webirc: we do not know a user's address, so each gets one of his own (RFC 4193)."""
        if preset.webirc_password is None:
            return None
        bits = int.from_bytes(sha256(user.encode()).digest()[:15], "big")
        return WebIrc(
            password=preset.webirc_password.reveal(),
            gateway=self.config.brand,
            host=user.partition("@")[2] or user,
            address=str(IPv6Address(_LOCAL_ADDRESSES | bits)),
        )
