"""The configuration: declared once, read strictly, its sample written from the declarations."""

from bridge.config.declarations import (
    ComponentConfig,
    Config,
    ContactsConfig,
    GatewayConfig,
    LimitsConfig,
    LogConfig,
    StoreConfig,
)
from bridge.config.errors import ConfigError, Problem
from bridge.config.federation import (
    Authentication,
    CertificateConfig,
    Encryption,
    FederationConfig,
    FederationLimits,
    HostedComponentConfig,
    HostingConfig,
    PeerConfig,
)
from bridge.config.loader import load, parse
from bridge.config.networks import NetworkModule, network_module, network_names
from bridge.config.values import (
    BareJid,
    Domain,
    DomainPattern,
    Endpoint,
    FilePath,
    HostPort,
    JidPattern,
    ServerAddress,
)
from bridge.config.web import WebConfig
from bridge.secret import Secret

__all__ = [
    "Authentication",
    "BareJid",
    "CertificateConfig",
    "ComponentConfig",
    "Config",
    "ConfigError",
    "ContactsConfig",
    "Domain",
    "DomainPattern",
    "Encryption",
    "Endpoint",
    "FederationConfig",
    "FederationLimits",
    "FilePath",
    "GatewayConfig",
    "HostPort",
    "HostedComponentConfig",
    "HostingConfig",
    "JidPattern",
    "LimitsConfig",
    "LogConfig",
    "NetworkModule",
    "PeerConfig",
    "Problem",
    "Secret",
    "ServerAddress",
    "StoreConfig",
    "WebConfig",
    "load",
    "network_module",
    "network_names",
    "parse",
]
