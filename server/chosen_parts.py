"""Parts that a setting names: loaded here, or refused by the setting's name. Reads files, imports adapters."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chat.errors import ChatError
from chat.phrase_list import ReloadingModerator
from commerce.core import CoreBanking
from commerce.questionnaire import Questionnaire
from commerce.questionnaire_file import load_questionnaire
from commerce.working_days import WorkingDays
from commerce.working_days_file import load_working_days
from server.core_adapter import AdapterUnusable, load_core
from server.gateway.addresses import AddressLimits
from server.http.connections import ConnectionLimits
from server.settings import Settings, SettingsError
from streaming.native.extension import NativeUnavailable

if TYPE_CHECKING:
    from server.tracing import Tracing


def tracing(settings: Settings) -> "Tracing | None":
    """Load OpenTelemetry where a collector is named, and only there."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from server.tracing import Tracing
    except ImportError:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: set, but OpenTelemetry is not installed: pip install 'wealthcast[otel]'"
        ) from None
    return Tracing(settings.otel_exporter_otlp_endpoint, settings.traces_share, "+".join(settings.roles))


def core(settings: Settings) -> CoreBanking | None:
    try:
        return load_core(settings.core_banking)
    except AdapterUnusable as error:
        raise SettingsError(f"CORE_BANKING: {error}") from None


def working_days(settings: Settings) -> WorkingDays | None:
    """Read the deployment's own calendar; None: China's. Raises SettingsError."""
    if settings.working_days is None:
        return None
    try:
        return load_working_days(settings.working_days)
    except (OSError, ValueError) as error:
        raise SettingsError(f"WORKING_DAYS: {error}") from None


def questionnaire(settings: Settings) -> Questionnaire:
    try:
        return load_questionnaire(settings.questionnaire)
    except (OSError, ValueError) as error:
        raise SettingsError(f"QUESTIONNAIRE: {error}") from None


@contextmanager
def built(setting: str) -> Iterator[None]:
    """Refuse by name a setting that asks for a native part which is not there."""
    try:
        yield
    except NativeUnavailable as error:
        raise SettingsError(f"{setting}: native is asked for, but {error}") from None


def moderator(settings: Settings) -> ReloadingModerator:
    try:
        return ReloadingModerator(settings.phrase_list)
    except (OSError, ChatError, UnicodeError) as error:
        raise SettingsError(f"PHRASE_LIST: {error}") from None


def connection_limits(settings: Settings) -> ConnectionLimits:
    addresses = AddressLimits(
        connections=settings.connections_per_address,
        handshakes=None,
        # A proxy's connections carry many people's requests.
        exempt=(*AddressLimits().exempt, *settings.trusted_proxies),
    )
    return ConnectionLimits(connections=settings.http_connections, addresses=addresses)
