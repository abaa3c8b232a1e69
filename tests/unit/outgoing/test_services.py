import hashlib
import hmac
import time
import warnings

import jwt
import pytest

from klanten.outgoing.services import Autorisaties, Service, Services, ServicesError

SECRET = "a-secret-that-nobody-can-guess-in-a-lifetime"
AGREED = f"client_id = klanten\nsecret = {SECRET}\n"
API_ROOT = "api_root = https://register.example.nl/api/v1\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "services.ini"
    path.touch(0o600)
    return path


@pytest.fixture
def read(path):
    def reader(text):
        path.write_text(text, encoding="utf-8")
        return Services.read(path)

    return reader


@pytest.fixture
def refusal(path):
    """The one line for the operator when the file holds this."""

    def refused(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ServicesError) as caught:
            Services.read(path)
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        assert message.startswith(str(path))
        assert "; " in message, "a mend is named after the fault"
        assert SECRET not in message
        hidden = caught.value.__suppress_context__ or caught.value.__context__ is None
        assert hidden, "the cause may quote a secret"
        return message.removeprefix(str(path))

    return refused


# --- what a file says ---------------------------------------------------------------------------


def test_file_with_every_service_is_read(read, path, ca_bundle):
    services = read(
        f"[autorisaties]\n{AGREED}api_root = https://ac.example.nl/api/v1/\n"
        "timeout = 2.5\ncache_ttl = 0\nstale_ttl = 30\n"
        f"[notificaties]\n{AGREED}api_root = http://nrc.example.nl:8080\nca_bundle = ca.pem\n"
        f"[subject:personen]\n{AGREED}{API_ROOT}"
        f"[subject:Personen]\n{AGREED}api_root = https://elders.example.nl\n"
    )
    assert services.autorisaties == Autorisaties(
        api_root="https://ac.example.nl/api/v1",
        client_id="klanten",
        secret=SECRET,
        timeout=2.5,
        cache_ttl=0,
        stale_ttl=30,
    )
    assert services.notificaties == Service(
        api_root="http://nrc.example.nl:8080",
        client_id="klanten",
        secret=SECRET,
        ca_bundle=ca_bundle,
    )
    assert [service.api_root for service in services.subjects] == [
        "https://register.example.nl/api/v1",
        "https://elders.example.nl",
    ]
    assert services.warnings == ()


def test_what_is_left_out_has_a_default(read):
    autorisaties = read(f"[autorisaties]\n{AGREED}{API_ROOT}").autorisaties
    assert (autorisaties.timeout, autorisaties.ca_bundle) == (10, None)
    assert (autorisaties.cache_ttl, autorisaties.stale_ttl) == (60, 900)


def test_empty_file_names_no_service(read):
    assert read("# nothing yet\n") == Services() == Services(None, None, (), ())


def test_percent_sign_is_a_percent_sign(read):
    text = f"[notificaties]\n{API_ROOT}client_id = %(secret)s\nsecret = {'%s%%' * 9}\n"
    service = read(text).notificaties
    assert (service.client_id, service.secret) == ("%(secret)s", "%s%%" * 9)


def test_secret_keeps_what_looks_like_a_comment(read):
    secret = "#a;b = c: d # e ; f" * 2
    assert read(f"[notificaties]\n{API_ROOT}client_id = k\nsecret = {secret}\n").notificaties == (
        Service("https://register.example.nl/api/v1", "k", secret)
    )


def test_byte_order_mark_is_no_part_of_the_file(read):
    assert read(f"\ufeff[notificaties]\n{AGREED}{API_ROOT}").notificaties


def test_secret_is_not_shown(read):
    assert SECRET not in repr(read(f"[autorisaties]\n{AGREED}{API_ROOT}"))


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["api_root", "client_id", "secret"])
@pytest.mark.parametrize("instead", ["", "{key} =\n"])
def test_missing_key_is_refused(refusal, key, instead):
    lines = f"{API_ROOT}{AGREED}".splitlines(keepends=True)
    rest = "".join(line for line in lines if not line.startswith(key))
    message = refusal(f"[subject:x]\n{rest}{instead.format(key=key)}")
    assert message.startswith(f", section [subject:x], key {key}: is missing; write {key} = ")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("autorisaties", "time_out"),
        ("notificaties", "cache_ttl"),
        ("subject:x", "stale_ttl"),
        ("subject:x", "name"),
    ],
)
def test_unknown_key_is_refused(refusal, section, key):
    message = refusal(f"[{section}]\n{AGREED}{API_ROOT}{key} = 1\n")
    assert message.startswith(f", section [{section}], key '{key}': is unknown; use api_root, ")


def test_stray_secret_in_the_place_of_a_key_is_not_shown(refusal):
    message = refusal(f"[notificaties]\n{API_ROOT}{AGREED}{SECRET} = secret\n")
    assert message.startswith(", section [notificaties], key (not shown): is unknown; ")


@pytest.mark.parametrize("section", ["Autorisaties", "subject", "subject:", "zaken", "DEFAULT"])
def test_unknown_section_is_refused(refusal, section):
    message = refusal(f"[{section}]\n{AGREED}{API_ROOT}")
    assert message == (
        f", section [{section}]: is unknown; write [autorisaties], [notificaties] or [subject:NAME]"
    )


@pytest.mark.parametrize(
    ("api_root", "fault"),
    [
        ("register.example.nl", "the URL is no http or https URL"),
        ("ftp://register.example.nl", "the URL is no http or https URL"),
        ("https://", "the URL names no host"),
        ("https://register.example.nl:99999/", "the URL is malformed"),
        ("https://user:geheim@register.example.nl/", "has more than host and path"),
        ("https://register.example.nl/api?x=y", "has more than host and path"),
        ("https://register.example.nl/api#x", "has more than host and path"),
    ],
)
def test_api_root_that_is_none_is_refused(refusal, api_root, fault):
    message = refusal(f"[notificaties]\n{AGREED}api_root = {api_root}\n")
    assert message == (
        f", section [notificaties], key api_root: {fault}; "
        "write api_root = https://host.example.nl/api/v1"
    )


@pytest.mark.parametrize("key", ["timeout", "cache_ttl", "stale_ttl"])
@pytest.mark.parametrize("value", ["", "soon", "10 s", "-1", "nan", "inf", "1e9"])
def test_seconds_that_are_none_are_refused(refusal, key, value):
    message = refusal(f"[autorisaties]\n{AGREED}{API_ROOT}{key} = {value}\n")
    assert message.startswith(f", section [autorisaties], key {key}: is ")


def test_timeout_of_nothing_is_refused(refusal):
    message = refusal(f"[autorisaties]\n{AGREED}{API_ROOT}timeout = 0\n")
    assert message.startswith(", section [autorisaties], key timeout: must be more than 0; ")


@pytest.mark.parametrize("name", ["absent.pem", "services.ini", "."])
def test_bundle_without_certificates_is_refused(refusal, path, name):
    message = refusal(f"[notificaties]\n{AGREED}{API_ROOT}ca_bundle = {name}\n")
    assert message.startswith(f", section [notificaties], key ca_bundle: {path.parent / name} is ")


def test_bundle_counts_from_the_services_file(read, ca_bundle, monkeypatch):
    monkeypatch.chdir("/")
    text = f"[notificaties]\n{AGREED}{API_ROOT}ca_bundle = ./ca.pem\n"
    assert read(text).notificaties.ca_bundle == ca_bundle
    assert read(text.replace("./ca.pem", str(ca_bundle))).notificaties.ca_bundle == ca_bundle


def test_line_that_is_indented_by_accident_is_refused(refusal):
    message = refusal(f"[notificaties]\n{API_ROOT}{AGREED}  timeout = 3\n")
    assert message.startswith(", section [notificaties], key secret: goes on in an indented line; ")


def test_two_subject_services_with_one_root_are_refused(refusal):
    message = refusal(
        f"[subject:a]\n{AGREED}api_root = https://register.example.nl/api\n"
        f"[subject:b]\n{AGREED}api_root = https://REGISTER.example.nl:443/api/\n"
    )
    assert message == (
        ", section [subject:b], key api_root: is that of [subject:a] too; keep one of the two"
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (f"secret = {SECRET}\n", ", line 1: stands in no section; "),
        (f"[notificaties]\n{SECRET}\n", ", line 2: cannot be read; "),
        (f"[notificaties]\n{AGREED}\n[notificaties]\n", ", section [notificaties]: is there twice"),
        (
            f"[notificaties]\n{AGREED}secret = x\n",
            ", section [notificaties], key 'secret': is there twice; ",
        ),
        (b"[notificaties]\nsecret = \xff\n", ": is not UTF-8; "),
    ],
)
def test_file_that_is_no_ini_file_is_refused(refusal, content, fault):
    assert refusal(content).startswith(fault)


@pytest.mark.parametrize("name", ["absent.ini", "."])
def test_file_that_cannot_be_read_is_refused(tmp_path, name):
    with pytest.raises(ServicesError) as caught:
        Services.read(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be read (")


# --- what an operator is warned of --------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_file_that_others_can_read_is_a_warning(read, path, mode):
    path.chmod(mode)
    assert read(f"[notificaties]\n{AGREED}{API_ROOT}").warnings == (
        f"{path}: others can read the secrets in it; chmod 600 {path}",
    )


def test_short_secrets_are_one_warning(read):
    short = f"client_id = klanten\nsecret = {'é' * 15}x\n"
    safe = f"client_id = klanten\nsecret = {'é' * 16}\n"
    (warning,) = read(
        f"[notificaties]\n{short}{API_ROOT}[autorisaties]\n{short}{API_ROOT}"
        f"[subject:x]\n{safe}{API_ROOT}"
    ).warnings
    assert warning.endswith("agree on a longer one for [notificaties], [autorisaties]")
    assert "é" not in warning


# --- the token ----------------------------------------------------------------------------------


def service(secret=SECRET):
    return Service("https://register.example.nl/api/v1", "klanten", secret)


def test_token_says_who_asks():
    before = int(time.time())
    token = service().token()
    claims = jwt.decode(token, SECRET, ["HS256"])
    assert before <= claims.pop("iat") <= time.time()
    assert claims == {
        "iss": "klanten",
        "client_id": "klanten",
        "user_id": "",
        "user_representation": "",
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_token_names_the_user():
    claims = jwt.decode(service().token("jvb", "José van Boven"), SECRET, ["HS256"])
    assert (claims["user_id"], claims["user_representation"]) == ("jvb", "José van Boven")


@pytest.mark.parametrize("secret", ["short", "é", "ssh-rsa AAAAB3Nz", "-----BEGIN PUBLIC KEY-----"])
def test_whatever_was_agreed_on_is_a_secret(secret):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token = service(secret).token()
    head, claims, signature = token.split(".")
    right = hmac.digest(secret.encode(), f"{head}.{claims}".encode(), hashlib.sha256)
    assert jwt.utils.base64url_decode(signature) == right
