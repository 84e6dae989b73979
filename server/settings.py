"""Every setting, typed, read in this one file from the environment and an optional TOML file. Reads the environment."""

import ipaddress
import os
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
from pydantic import AliasChoices, Field, IPvAnyAddress, IPvAnyNetwork, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from commerce.envelopes import Envelopes
from server.auth.issuer import ClaimNames, IssuerRules
from server.core_adapter import EMBEDDED

PREFIX = "WEALTHCAST_"
CONFIG_FILE = f"{PREFIX}CONFIG"
DEMO_SECRET_PREFIX = "demo-"
Role = Literal["api", "commerce", "gateway", "media"]
ALL_ROLES: tuple[Role, ...] = ("api", "commerce", "gateway", "media")


def _split(value: Any) -> Any:
    """Take "203.0.113.7, 2001:db8::7" as two addresses; lists stay as they are."""
    return tuple(part for part in value.replace(",", " ").split()) if isinstance(value, str) else value


Addresses = Annotated[tuple[IPvAnyAddress, ...], NoDecode, pydantic.BeforeValidator(_split)]
IceUrl = Annotated[
    str, pydantic.StringConstraints(pattern=r"^(stuns?|turns?):[A-Za-z0-9.:\[\]_-]+(\?transport=(udp|tcp))?$")
]

# As browsers write them: in lower case, without a path. `null` is what a page without an origin of its own sends.
AllowedOrigin = Annotated[str, pydantic.StringConstraints(pattern=r"^(\*|null|[a-z][a-z0-9+.-]*://[^/\sA-Z]*)$")]


class SettingsError(Exception):
    """The settings cannot be used; the message names each key and what is wrong with it, never its value."""


def _env(name: str) -> Any:
    """Give a setting the bare environment name that operators expect, beside the prefixed one."""
    return AliasChoices(name, f"{PREFIX}{name.upper()}", name.upper())


class Settings(BaseSettings):
    """What a process needs to know. Each name is a TOML key, and in capitals behind `WEALTHCAST_` a variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, populate_by_name=True)

    database_url: SecretStr = Field(validation_alias=_env("database_url"))
    redis_url: SecretStr = Field(validation_alias=_env("redis_url"))
    jwt_secret: SecretStr = Field(min_length=32)
    data_keys: dict[str, SecretStr]
    session_ttl_s: int = Field(3600, ge=60, le=86_400)
    roles: tuple[Role, ...] = Field(ALL_ROLES, min_length=1)

    host: str = "0.0.0.0"
    http_port: int = Field(8080, ge=0, le=65_535)
    gateway_port: int = Field(8081, ge=0, le=65_535)
    media_port: int = Field(8082, ge=0, le=65_535)
    admin_host: str = "127.0.0.1"
    admin_port: int = Field(8083, ge=0, le=65_535)
    drain_s: float = Field(8.0, gt=0, le=20)
    gateway_public_url: str | None = None
    media_advertised_ip: Addresses = Field((), validation_alias=_env("media_advertised_ip"))
    media_packet_writer: Literal["auto", "native", "python"] = "auto"
    room_frame_writer: Literal["auto", "native", "python"] = "auto"
    media_max_viewers: int = Field(2_000, ge=1, le=100_000)
    media_joins_per_s: int = Field(300, ge=1, le=100_000)
    turn_urls: tuple[IceUrl, ...] = Field((), validation_alias=_env("turn_urls"))
    turn_secret: SecretStr | None = Field(None, min_length=16, validation_alias=_env("turn_secret"))
    turn_ttl_s: int = Field(14_400, ge=300, le=86_400)
    recording_dir: Path | None = None
    evidence_export_dir: Path | None = None
    evidence_retention_years: int = Field(20, ge=1, le=100)
    evidence_legal_hold_until: date | None = None
    issuer: str | None = Field(None, min_length=1, max_length=300)
    issuer_audience: str | None = Field(None, min_length=1, max_length=300)
    issuer_jwks_url: str | None = None
    issuer_claims: dict[str, str] = Field(default_factory=dict)
    issuer_leeway_s: int = Field(60, ge=0, le=300)
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field((), validation_alias=_env("trusted_proxies"))
    allowed_origins: tuple[AllowedOrigin, ...] = ()

    core_banking: str = Field(EMBEDDED, pattern=rf"^({EMBEDDED}|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")

    reservation_ttl_s: int = Field(240, ge=30, le=900)
    reauthentication_within_s: int = Field(300, ge=0, le=3_600)
    acknowledgement_ttl_s: int = Field(86_400, ge=300, le=30 * 86_400)
    cancel_closes_before_s: int = Field(0, ge=0, le=30 * 86_400)
    senior_age: int = Field(65, ge=18, le=120)
    senior_free_up_to_rating: int = Field(3, ge=0, le=5)
    senior_wait_h: int = Field(24, ge=0, le=720)
    assessment_valid_months: int = Field(12, ge=1, le=24)
    assessments_a_day: int = Field(2, ge=1, le=100)
    assessments_a_year: int = Field(8, ge=1, le=1_000)
    daily_tip_cap_points: int = Field(1_000, ge=0, le=1_000_000_000)
    quota_granularity_minor: int = Field(10_000, ge=1, le=10**15)
    business_zone: str = "Asia/Shanghai"
    working_days: Path | None = None
    minimum_dwell_ms: int = Field(3_000, ge=0, le=600_000)
    monitor_absent_after_s: int = Field(60, ge=5, le=3_600)
    encoder_token_ttl_s: int = Field(86_400, ge=60, le=30 * 86_400)
    comments_shown_per_s: int = Field(15, ge=0, le=1_000)
    room_tick_ms: int = Field(100, ge=0, le=1_000)
    password_queue: int = Field(64, ge=1, le=10_000)
    http_connections: int = Field(4_000, ge=10, le=1_000_000)
    connections_per_address: int = Field(1_500, ge=1, le=1_000_000)
    questionnaire: Path | None = None
    phrase_list: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otel_exporter_otlp_endpoint: str | None = Field(None, validation_alias=_env("otel_exporter_otlp_endpoint"))
    traces_share: float = Field(0.1, ge=0, le=1)
    demo: bool = False

    @property
    def media_bind_host(self) -> str:
        """Where the media port listens: on both families where an IPv6 address is advertised."""
        both = self.host == "0.0.0.0" and any(ip.version == 6 for ip in self.media_advertised_ip)
        return "::" if both else self.host

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the TOML file named by WEALTHCAST_CONFIG."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if path := os.environ.get(CONFIG_FILE):
            sources.append(TomlConfigSettingsSource(settings_cls, Path(path)))
        return tuple(sources)

    def issuer_rules(self) -> IssuerRules | None:
        """Say whose tokens are accepted beside ours; None: nobody's."""
        if self.issuer is None or self.issuer_audience is None:
            return None
        return IssuerRules(self.issuer, self.issuer_audience, self.issuer_leeway_s, ClaimNames(**self.issuer_claims))

    def envelopes(self) -> Envelopes:
        """Make what seals and opens personal data."""
        return Envelopes.of_base64({key_id: key.get_secret_value() for key_id, key in self.data_keys.items()})

    @pydantic.field_validator("data_keys")
    @classmethod
    def _check_data_keys(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        Envelopes.of_base64({key_id: key.get_secret_value() for key_id, key in keys.items()})
        return keys

    @pydantic.field_validator("host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            raise ValueError("give an IP address, such as 0.0.0.0 (all of IPv4) or 127.0.0.1, not a name") from None

    @pydantic.field_validator("business_zone")
    @classmethod
    def _a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError("no such time zone; it looks like Asia/Shanghai") from None
        return zone

    @pydantic.field_validator("database_url")
    @classmethod
    def _a_postgres_url(cls, url: SecretStr) -> SecretStr:
        _check_url(url.get_secret_value(), ("postgres", "postgresql"), "postgres://name:password@host:5432/database")
        return url

    @pydantic.field_validator("redis_url")
    @classmethod
    def _a_redis_url(cls, url: SecretStr) -> SecretStr:
        _check_url(url.get_secret_value(), ("redis", "rediss", "unix"), "redis://:password@host:6379/0")
        return url

    @pydantic.field_validator("gateway_public_url")
    @classmethod
    def _a_gateway_url(cls, url: str | None) -> str | None:
        if url is not None:
            _check_url(url, ("ws", "wss"), "wss://live.bank.example/ws")
        return url

    @pydantic.field_validator("issuer_jwks_url")
    @classmethod
    def _a_key_set_url(cls, url: str | None) -> str | None:
        if url is not None:
            _check_url(url, ("https", "http"), "https://login.bank.example/jwks.json")
            if url.startswith("http:") and urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
                raise ValueError("keys are fetched over https, but for an issuer on this machine")
        return url

    @pydantic.field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _a_collector_url(cls, url: str | None) -> str | None:
        if url is not None:
            _check_url(url, ("http", "https"), "http://127.0.0.1:4318")
        return url or None

    @pydantic.field_validator("issuer_claims")
    @classmethod
    def _known_claims(cls, claims: dict[str, str]) -> dict[str, str]:
        names = [one.name for one in fields(ClaimNames)]
        if unknown := sorted(set(claims) - set(names)):
            raise ValueError(f"{', '.join(unknown)}: no such field; there are {', '.join(names)}")
        return claims

    @pydantic.field_validator("media_advertised_ip")
    @classmethod
    def _addresses_to_send_to(cls, addresses: Addresses) -> Addresses:
        if any(address.is_unspecified or address.is_multicast for address in addresses):
            raise ValueError("no viewer can send to this: give the address at which they reach the media port")
        return addresses

    @pydantic.model_validator(mode="after")
    def _an_issuer_is_whole(self) -> Self:
        given = {
            "issuer": self.issuer,
            "issuer_audience": self.issuer_audience,
            "issuer_jwks_url": self.issuer_jwks_url,
        }
        missing = [name for name, value in given.items() if value is None]
        if 0 < len(missing) < len(given):
            raise ValueError(f"{', '.join(missing)}: not set, and an issuer's tokens need all of {', '.join(given)}")
        return self

    @pydantic.model_validator(mode="after")
    def _ports_apart(self) -> Self:
        if self.http_port == self.gateway_port != 0 and {"api", "gateway"} <= set(self.roles):
            raise ValueError("gateway_port: the same as http_port; give each its own")
        return self

    @pydantic.model_validator(mode="after")
    def _ask_for_the_turn_secret(self) -> Self:
        if self.turn_secret is None and any(url.startswith("turn") for url in self.turn_urls):
            raise ValueError("turn_secret: not set, and TURN servers want credentials made with it")
        return self

    @pydantic.model_validator(mode="after")
    def _refuse_demo_secrets(self) -> Self:
        if not self.demo and any(key_id.startswith(DEMO_SECRET_PREFIX) for key_id in self.data_keys):
            raise ValueError("data_keys: this is a demo's key; make one with: openssl rand -base64 32")
        if not self.demo and self.jwt_secret.get_secret_value().startswith(DEMO_SECRET_PREFIX):
            raise ValueError("jwt_secret: this is a demo's secret; make one with: openssl rand -base64 48")
        return self


def _check_url(url: str, schemes: tuple[str, ...], example: str) -> None:
    """Refuse what no client could connect to; the message never holds the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"not a URL; it looks like {example}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"the URL begins with {' or '.join(f'{one}://' for one in schemes)}: like {example}")
    # A unix socket stands in the path (Redis) or in the query (Postgres) instead of a host.
    socket = parts.path.strip("/") if parts.scheme == "unix" else "".join(parse_qs(parts.query).get("host", []))
    if not parts.hostname and not (socket and parts.scheme in ("unix", "postgres", "postgresql")):
        raise ValueError(f"the URL names no host; it looks like {example}")


def load_settings(**given: Any) -> Settings:
    """Read and check everything; raises SettingsError that names what is missing, unknown or wrong."""
    _refuse_unknown_variables()
    path = os.environ.get(CONFIG_FILE)
    if path and not Path(path).is_file():
        raise SettingsError(f"{CONFIG_FILE}: no such file")
    try:
        return Settings(**given)
    except pydantic.ValidationError as error:
        raise SettingsError("\n".join(_say(item) for item in error.errors(include_input=False))) from None
    except ValueError as error:  # not TOML, or a list variable that is not JSON
        raise SettingsError(str(error)) from None


def _say(item: Any) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    if item["type"] == "missing":
        return f"{name.upper()}: not set"
    if item["type"] == "extra_forbidden":
        return f"{name}: no such setting"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def _refuse_unknown_variables() -> None:
    """Catch a misspelt variable: the settings library passes over names it does not know."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_FILE}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError("\n".join(f"{name}: no such setting" for name in unknown))
