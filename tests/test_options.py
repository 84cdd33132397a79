"""Settings that make no sense are refused when they are made."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import ConfigurationError, DeliveryClient, Environment, Limits, RetryPolicy, Timeout

NONSENSE: list[Any] = [0, -1, math.nan, math.inf, True, "10", None]


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    ("settings", "name"), [(Timeout, "attempt"), (Timeout, "total"), (RetryPolicy, "base"), (RetryPolicy, "cap")]
)
def test_a_time_is_a_positive_number(settings: Any, name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{settings.__name__}.{name} is .*must be a positive, finite number"):
        settings(**{name: value})


@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, True, "4", None])
@pytest.mark.parametrize(("settings", "name"), [(RetryPolicy, "max_attempts"), (Limits, "max_connections")])
def test_a_count_is_a_whole_number(settings: Any, name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{settings.__name__}.{name} is .*whole number, 1 or more"):
        settings(**{name: value})


@pytest.mark.parametrize("value", NONSENSE[:-1])
def test_a_rate_is_positive_or_none(value: float) -> None:
    assert Limits(rate=None).rate is None
    with pytest.raises(ConfigurationError, match=r"Limits\.rate is"):
        Limits(rate=value)


def test_a_timeout_is_written_as_attempt_then_total() -> None:
    assert Timeout(1.0, 5.0) == Timeout(attempt=1.0, total=5.0)


def test_an_attempt_cannot_outlast_its_call() -> None:
    with pytest.raises(ConfigurationError, match="an attempt cannot outlast its call"):
        Timeout(attempt=11, total=10)
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\.base"):
        RetryPolicy(base=9, cap=8)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("timeout", r"pass Timeout\(attempt=\.\.\., total=\.\.\.\)"),
        ("retry", r"pass RetryPolicy\(max_attempts=\.\.\.\)"),
        ("limits", r"pass Limits\(max_connections=\.\.\., rate=\.\.\.\)"),
    ],
)
@pytest.mark.parametrize("value", [10, 0, 0.5, True, (1, 2)])
def test_a_plain_number_is_no_setting_and_the_remedy_is_named(name: str, remedy: str, value: Any) -> None:
    settings = {name: value}
    with pytest.raises(ConfigurationError, match=f"{name} is .*; {remedy}"):
        DeliveryClient("key", **settings)
    with pytest.raises(ConfigurationError, match=f"{name} is .*; {remedy}"):
        DeliveryClient("key").with_options(**settings)


@pytest.mark.parametrize("session", [5, False, "https://host"])
def test_a_session_is_one_of_aiohttp(session: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"session is .*; pass an aiohttp\.ClientSession"):
        DeliveryClient("key", session=session)


@pytest.mark.parametrize("key", ["", " ", "two words", "key\r\nX-Evil: 1", "ключ", None, 7, b"key"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="API key must consist of") as caught:
        DeliveryClient(key)
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must look like"),
        ("api.kaspi.kz", "must look like"),
        ("ftp://api.kaspi.kz", "must look like"),
        ("https://", "must look like"),
        ("https://host:port", "not a URL"),
        ("https://[::1", "not a URL"),
        ("http://api.kaspi.kz/delivery", "plain http to api.kaspi.kz"),
        ("http://127.0.0.1.evil.kz", "plain http to"),
        ("https://user:password@api.kaspi.kz", "no user name"),
        ("https://api.kaspi.kz?x=1", "no user name, query or fragment"),
        ("https://api.kaspi.kz#x", "no user name, query or fragment"),
        ("https://api.kaspi.kz/delivery?", "no user name, query or fragment"),
        ("https://api.kaspi.kz/delivery#", "no user name, query or fragment"),
        ("https://api.kaspi.kz/\r\nX", "no URL may hold"),
        ("https://api.kaspi.kz/ x", "no URL may hold"),
        ("https://api.kaspi.kz\\delivery", "no URL may hold"),
        ("https://каспи.kz", "no URL may hold"),
        (b"https://api.kaspi.kz", "must be a string"),
        (8080, "must be a string"),
    ],
)
def test_an_unsafe_base_url_is_refused(url: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        DeliveryClient("key", base_url=url)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.kaspi.kz",
        "http://127.0.0.1:8080/delivery/",
        "http://[::1]:1",
        "http://localhost",
        "http://127.9.9.9",
    ],
)
def test_a_safe_base_url_is_accepted(url: str) -> None:
    assert DeliveryClient("key", base_url=url).base_url == url.rstrip("/")


@given(st.text())
def test_any_text_is_a_base_url_or_a_clear_error(url: str) -> None:
    try:
        DeliveryClient("key", base_url=url)
    except ConfigurationError as error:
        assert "base_url" in str(error)


def test_environments_are_where_the_vendor_says() -> None:
    assert Environment.SANDBOX.base_url == "https://sandbox.kaspi.kz/delivery"
    assert Environment.PRODUCTION.base_url == "https://api.kaspi.kz/delivery"


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown environment 'staging'; it is 'sandbox' or 'production'"):
        DeliveryClient("key", "staging")
    with pytest.raises(ConfigurationError, match="unknown environment"):
        DeliveryClient("key", "staging", base_url="https://api.kaspi.kz")


def test_a_client_is_set_up_from_the_environment_variables() -> None:
    DeliveryClient.from_env({"KASPI_API_KEY": "key", "KASPI_ENVIRONMENT": "production"})
    with pytest.raises(ConfigurationError, match="KASPI_API_KEY is not set"):
        DeliveryClient.from_env({})
    with pytest.raises(ConfigurationError, match="KASPI_ENVIRONMENT"):
        DeliveryClient.from_env({"KASPI_API_KEY": "key", "KASPI_ENVIRONMENT": "prod"})
    with pytest.raises(ConfigurationError, match="plain http"):
        DeliveryClient.from_env({"KASPI_API_KEY": "key", "KASPI_BASE_URL": "http://kaspi.kz"})


def test_from_env_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KASPI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="KASPI_API_KEY"):
        DeliveryClient.from_env()


def test_a_client_shows_no_key() -> None:
    assert "secret-key" not in repr(DeliveryClient("secret-key"))


@pytest.mark.parametrize(
    "host",
    [
        "256.1.1.1",
        "1.2.3",
        "api..kaspi.example",
        "[::1]evil.invalid",
        "[::g]",
        "a" * 64 + ".kz",
        ".kz",
        "a.b:x",
        "-" * 300,
    ],
)
def test_a_host_that_cannot_exist_is_refused_when_the_client_is_made(host: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        DeliveryClient("key", base_url=f"https://{host}/delivery")


@pytest.mark.parametrize(
    "host", ["api.kaspi.kz", "api.kaspi.kz.", "10.0.0.1:8443", "[::1]:8443", "xn--80aaa.kz", "a_b.c-d"]
)
def test_a_host_that_can_exist_is_accepted(host: str) -> None:
    assert DeliveryClient("key", base_url=f"https://{host}/x/").base_url == f"https://{host}/x"
