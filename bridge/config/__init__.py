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
from bridge.config.loader import load, parse
from bridge.config.networks import NetworkModule, network_module, network_names
from bridge.secret import Secret

__all__ = [
    "ComponentConfig",
    "Config",
    "ConfigError",
    "ContactsConfig",
    "GatewayConfig",
    "LimitsConfig",
    "LogConfig",
    "NetworkModule",
    "Problem",
    "Secret",
    "StoreConfig",
    "load",
    "network_module",
    "network_names",
    "parse",
]
