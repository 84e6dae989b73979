"""Settings are refused by name, never by surprise."""

from pathlib import Path

import pytest

from server.settings import SettingsError, load_settings

KEY = "Zm9yLXRlc3RpbmctYW5kLWZvci1ub3RoaW5nLWVsc2U="
GOOD = {
    "REDIS_URL": "redis://x",
    "DATABASE_URL": "postgres://x",
    "WEALTHCAST_JWT_SECRET": "k" * 40,
    "WEALTHCAST_DATA_KEYS": f'{{"k1": "{KEY}"}}',
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal() -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings()
    return str(refused.value)


def test_the_names_that_operators_expect_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MEDIA_ADVERTISED_IP", "203.0.113.9")
    environment.setenv("TRUSTED_PROXIES", '["10.0.0.0/8"]')
    settings = load_settings()
    assert settings.redis_url.get_secret_value() == "redis://x"
    assert [str(address) for address in settings.media_advertised_ip] == ["203.0.113.9"]
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8"]


def test_several_advertised_addresses_are_read_from_the_environment_and_from_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "wealthcast.toml"
    file.write_text('media_advertised_ip = ["203.0.113.9", "2001:db8::9"]\n')
    environment.setenv("WEALTHCAST_CONFIG", str(file))
    assert [address.version for address in load_settings().media_advertised_ip] == [4, 6]
    environment.setenv("MEDIA_ADVERTISED_IP", "2001:db8::9,203.0.113.9")
    assert [address.version for address in load_settings().media_advertised_ip] == [6, 4]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    assert name.removeprefix("WEALTHCAST_") in refusal()


def test_an_unknown_variable_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEALTHCAST_HTPP_PORT", "80")
    assert refusal() == "WEALTHCAST_HTPP_PORT: no such setting"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_port", "seventy"),
        ("http_port", "70000"),
        ("roles", '["api", "cook"]'),
        ("roles", "[]"),
        ("host", "localhost"),
        ("host", "not an address"),
        ("media_advertised_ip", "here"),
        ("media_advertised_ip", "0.0.0.0"),
        ("media_advertised_ip", "::"),
        ("media_advertised_ip", "224.0.0.9"),
        ("gateway_public_url", "https://live.bank.example/ws"),
        ("gateway_public_url", "wss:///ws"),
        ("allowed_origins", '["bank.example"]'),
        ("allowed_origins", '["https://bank.example/"]'),
        ("gateway_public_url", "live.other.example"),
        ("redis_url", "http://cache:6379"),
        ("redis_url", "redis:///0"),
        ("redis_url", "unix://"),
        ("redis_url", "redis://cache:port"),
        ("database_url", "mysql://db/x"),
        ("database_url", "postgres:///x"),
        ("database_url", "postgres://[db/x"),
        ("reservation_ttl_s", "-1"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    for bare in ("REDIS_URL", "DATABASE_URL"):  # these may be given by either name, of which the bare one counts
        if bare == name.upper():
            environment.delenv(bare)
    environment.setenv(f"WEALTHCAST_{name.upper()}", value)
    said = refusal()
    assert name in said.lower()
    assert len(said.splitlines()) == 1
    assert value not in said


def test_a_file_gives_what_the_environment_does_not(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "wealthcast.toml"
    file.write_text('http_port = 9000\ngateway_port = 9001\nallowed_origins = ["https://bank.example"]\n')
    environment.setenv("WEALTHCAST_CONFIG", str(file))
    environment.setenv("WEALTHCAST_HTTP_PORT", "9100")
    settings = load_settings()
    assert (settings.http_port, settings.gateway_port) == (9100, 9001)
    assert settings.allowed_origins == ("https://bank.example",)


def test_an_unknown_key_in_the_file_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "wealthcast.toml"
    file.write_text("htpp_port = 9000\n")
    environment.setenv("WEALTHCAST_CONFIG", str(file))
    assert refusal() == "htpp_port: no such setting"


def test_a_file_that_is_not_there_or_not_toml_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("WEALTHCAST_CONFIG", str(tmp_path / "none.toml"))
    assert "no such file" in refusal()
    (tmp_path / "none.toml").write_text("= = =")
    assert refusal()


def test_a_demo_secret_is_refused_outside_the_demo(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEALTHCAST_JWT_SECRET", "demo-" + "k" * 40)
    assert "demo" in refusal()
    assert load_settings(demo=True).demo


def test_secrets_do_not_print(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEALTHCAST_JWT_SECRET", "very-private-" + "k" * 40)
    assert "very-private" not in repr(load_settings())
    assert KEY not in repr(load_settings())


@pytest.mark.parametrize("keys", ["{}", '{"k1": "c2hvcnQ="}', '{"k1": "?"}', f'{{"demo-1": "{KEY}"}}', "[]"])
def test_data_keys_that_cannot_be_used_are_refused_without_being_printed(
    environment: pytest.MonkeyPatch, keys: str
) -> None:
    environment.setenv("WEALTHCAST_DATA_KEYS", keys)
    assert "data_keys" in (said := refusal())
    assert KEY not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "unix:///run/valkey.sock?db=0"),
        ("REDIS_URL", "rediss://:secret@cache.bank.example:6380/1"),
        ("DATABASE_URL", "postgres://name:secret@/wealthcast?host=/run/postgresql&port=5432"),
        ("DATABASE_URL", "postgresql://name:secret@db-1,db-2:5432/wealthcast"),
        ("WEALTHCAST_GATEWAY_PUBLIC_URL", "wss://live.bank.example/ws"),
        ("WEALTHCAST_HOST", "::1"),
    ],
)
def test_addresses_as_operators_write_them_are_taken(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    load_settings()


def test_two_listeners_do_not_share_a_port(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEALTHCAST_GATEWAY_PORT", "8080")
    assert refusal().lower().startswith("gateway_port: the same as http_port")


def test_an_issuer_is_whole_and_its_keys_come_safely(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEALTHCAST_ISSUER", "https://login.bank.example")
    assert "issuer_audience, issuer_jwks_url: not set" in refusal()
    environment.setenv("WEALTHCAST_ISSUER_AUDIENCE", "live")
    environment.setenv("WEALTHCAST_ISSUER_JWKS_URL", "http://login.bank.example/jwks.json")
    assert "issuer_jwks_url: keys are fetched over https" in refusal()
    environment.setenv("WEALTHCAST_ISSUER_JWKS_URL", "https://login.bank.example/jwks.json")
    environment.setenv("WEALTHCAST_ISSUER_CLAIMS", '{"birthday": "x"}')
    assert "issuer_claims: birthday: no such field" in refusal()
    environment.setenv("WEALTHCAST_ISSUER_CLAIMS", '{"birth_date": "dob"}')
    rules = load_settings().issuer_rules()
    assert rules is not None
    assert (rules.claims.birth_date, rules.claims.customer_id, rules.leeway_s) == ("dob", "sub", 60)
