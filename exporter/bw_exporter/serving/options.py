"""What `bw-exporter serve` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.config.tenants import Tenants
    from bw_exporter.monitoring.web_config import WebConfig
    from bw_exporter.serving.listening import Address


@dataclass(frozen=True)
class ServeOptions:
    """What `bw-exporter serve` was asked for.

    `load` reads `config_file` anew, in a child process; it raises ConfigError.
    """

    config_file: str
    load: Callable[[], Tenants]
    storage_url: str
    webhook_address: Address
    metrics_address: Address
    workers: int
    web_config: WebConfig
    webhook_url: str = ""
    stripe_api_url: str = ""
    request_timeout: float = 10.0
    graceful_timeout: int = 30
