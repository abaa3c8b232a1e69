"""Rule kla-002: the subject is fetched, from where a caller may send us and nowhere else."""

import contextlib
import ipaddress
import socket
import threading

import jwt
import pytest

from klanten.outgoing import door as door_module
from klanten.outgoing.subject import SubjectCheck

#: Seconds: far fewer than a server that never ends keeps on, far more than an honest one needs.
SHORT = 0.5
LONG = 60

NOT_PUBLIC = "the host has no public address; klanten.subject.allow_networks can allow its network"

#: Ways to write 127.0.0.1; the C library understands them all.
LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
]


def can_serve(host):
    """Some machines have no IPv6."""
    try:
        socket.create_server((host, 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


LOOPBACK_SERVERS = ["127.0.0.1", *filter(can_serve, ["::1"])]


def network(text):
    return (ipaddress.ip_network(text),)


# --- what counts as existing --------------------------------------------------------------------


def test_subject_that_answers_200_exists(exists, remote):
    assert exists(remote.url("/ok"))
    assert [(r.method, r.path, r.body) for r in remote.received] == [("GET", "/ok", b"")]


@pytest.mark.parametrize("host", LOOPBACK_SERVERS)
def test_subject_on_an_allowed_address_exists(exists, start, host):
    assert exists(start(host).url())


@pytest.mark.parametrize(
    "status", [201, 202, 204, 206, 300, 304, 400, 401, 403, 404, 410, 500, 503]
)
def test_subject_that_answers_otherwise_does_not_exist(exists, remote, status):
    assert not exists(remote.url(f"/status/{status}"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed(exists, remote, status):
    assert exists(remote.url(f"/moved/{status}"))


@pytest.mark.parametrize("status", [201, 300, 304])
def test_other_status_with_a_location_is_no_redirect(exists, remote, status):
    assert not exists(remote.url(f"/moved/{status}"))


def test_redirect_without_location_is_no_subject(exists, remote):
    assert not exists(remote.url("/nowhere"))


def test_redirect_to_a_404_is_no_subject(exists, remote):
    assert not exists(remote.url("/to?/status/404"))


def test_ten_redirects_are_followed(exists, remote):
    assert exists(remote.url("/chain/10"))


def test_eleven_redirects_are_too_many(open_door, reason, remote):
    assert reason(open_door.follow, remote.url("/chain/11"), LONG) == "more than 10 redirects"
    assert len(remote.received) == 11


def test_redirect_to_another_host_is_followed(exists, start):
    assert exists(start().url(f"/to?{start('127.0.0.2').url()}"))


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/ok/é ü?naam=Zoë", "/ok/%C3%A9%20%C3%BC?naam=Zo%C3%AB"),
        ("/ok/%C3%A9", "/ok/%C3%A9"),
        ("/ok/%2e%2E/%7E", "/ok/%2E%2E/%7E"),
        ("/ok#fragment", "/ok"),
        ("/ok\r\nX-Injected: 1", "/ok%0D%0AX-Injected:%201"),
    ],
)
def test_path_is_percent_encoded(exists, remote, path, sent):
    exists(remote.url(path))
    assert remote.received[0].path == sent
    assert "X-Injected" not in remote.received[0].headers


def test_redirect_in_utf_8_is_percent_encoded(exists, remote):
    assert exists(remote.url("/utf8-redirect"))
    assert remote.received[1].path == "/ok/%C3%A9"


def test_redirect_in_latin_1_is_percent_encoded(exists, remote):
    assert exists(remote.url("/latin1-redirect"))
    assert remote.received[1].path == "/ok/%C3%A9"


def test_international_host_name_is_looked_up_in_its_ascii_form(exists, remote, dns):
    dns["xn--juinn-esa.example"] = ["127.0.0.1"]
    assert exists(remote.url(host="Juinén.example"))
    assert remote.received[0].headers["Host"] == f"xn--juinn-esa.example:{remote.port}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "abc",
        "ftp://127.0.0.1/",
        "file:///etc/hosts",
        "gopher://127.0.0.1/",
        "http://",
        "http://[::1",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        f"http://{'a' * 64}.example/",
        "http://a..example/",
        "http://\ud800.example/",
        "http://127.0.0.1:1/\ud800",
        "http://\x00/",
    ],
)
def test_url_of_nothing_is_no_subject(exists, url):
    assert not exists(url)


def test_host_without_addresses_is_no_subject(open_door, reason, dns):
    dns["nowhere.example"] = []
    assert reason(open_door.follow, "http://nowhere.example/", LONG) == NOT_PUBLIC


def test_unknown_host_is_no_subject(open_door, reason, dns):
    def unknown():
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    dns["nowhere.example"] = unknown
    why = reason(open_door.follow, "http://nowhere.example/", LONG)
    assert why == "the host name cannot be looked up"


def test_closed_port_is_no_subject(open_door, reason, start):
    server = start()
    server.stop()
    assert reason(open_door.follow, server.url(), LONG) == "Connection refused"


def test_hangup_is_no_subject(open_door, reason, remote):
    why = reason(open_door.follow, remote.url("/hangup"), LONG)
    assert why == "the connection was closed without an answer"


def test_answer_that_is_no_http_is_no_subject(open_door, reason, remote):
    assert reason(open_door.follow, remote.url("/garbage"), LONG) == "the answer is no HTTP"


def test_fault_that_nobody_foresaw_is_no_subject(open_door, reason, dns):
    def fault():
        raise ZeroDivisionError

    dns["odd.example"] = fault
    assert reason(open_door.follow, "http://odd.example/", LONG) == "ZeroDivisionError"


# --- where a caller may send us -----------------------------------------------------------------


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_loopback_is_reached_in_every_spelling_where_it_is_allowed(exists, remote, host):
    assert exists(remote.url(host=host))


@pytest.mark.parametrize(
    "host",
    [
        *LOOPBACK_SPELLINGS,
        "127.0.0.2",
        "0.0.0.0",
        "0",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[fec0::1]",
        "user@127.0.0.1",
        "example.nl@127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "224.0.0.1",
    ],
)
def test_address_that_is_not_public_is_refused(door, reason, remote, host):
    assert reason(door.follow, remote.url(host=host), LONG) == NOT_PUBLIC
    assert remote.connections == []


def test_mapped_address_counts_as_its_ipv4_address(make_door, reason, remote):
    url = remote.url(host="[::ffff:127.0.0.1]")
    elsewhere = make_door(network("10.0.0.0/8"))
    assert reason(elsewhere.follow, url, LONG) == NOT_PUBLIC
    # Whether a machine without IPv6 gets through or not, the address is right.
    assert SubjectCheck(make_door(network("127.0.0.1/32"))).exists(url) or not can_serve("::1")


def test_only_the_allowed_addresses_of_a_host_are_used(make_door, start, dns):
    allowed = start("127.0.0.2")
    forbidden = start("127.0.0.1", allowed.port)
    dns["mixed.example"] = ["127.0.0.1", "10.0.0.1", "127.0.0.2"]
    check = SubjectCheck(make_door(network("127.0.0.2/32")))
    assert check.exists(allowed.url(host="mixed.example"))
    assert len(allowed.connections) == 1
    assert forbidden.connections == []


def test_address_that_was_checked_is_the_one_connected_to(make_door, start, dns):
    allowed = start("127.0.0.2")
    forbidden = start("127.0.0.1", allowed.port)
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    dns["rebound.example"] = lambda: next(answers)
    check = SubjectCheck(make_door(network("127.0.0.2/32")))
    assert check.exists(allowed.url(host="rebound.example"))
    assert dns.asked == ["rebound.example"]
    assert forbidden.connections == []


def test_host_is_looked_up_and_checked_at_each_connection(make_door, reason, start, dns):
    allowed = start("127.0.0.2")
    forbidden = start("127.0.0.1", allowed.port)
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    dns["rebound.example"] = lambda: next(answers)
    door, url = make_door(network("127.0.0.2/32")), allowed.url(host="rebound.example")
    assert door.follow(url, LONG).status == 200
    assert reason(door.follow, url, LONG) == NOT_PUBLIC
    assert forbidden.connections == []


def test_host_with_a_dead_address_is_reached_at_the_next(exists, remote, dns):
    dns["limping.example"] = ["127.0.0.9", "127.0.0.1"]
    assert exists(remote.url(host="limping.example"))


def test_host_with_a_mute_address_is_reached_at_the_next(open_door, remote, dns):
    dns["limping.example"] = ["127.0.0.9", "127.0.0.1"]
    with contextlib.ExitStack() as sockets:
        mute = sockets.enter_context(socket.create_server(("127.0.0.9", remote.port), backlog=0))
        for _ in range(3):  # more than wait in its queue, so that the next connection hangs
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(mute.getsockname())
        assert open_door.follow(remote.url(host="limping.example"), 2).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "localhost"])
def test_redirect_into_a_forbidden_network_is_refused(make_door, reason, start, host):
    allowed, forbidden = start("127.0.0.2"), start("127.0.0.1")
    public = make_door(network("127.0.0.2/32"))
    url = allowed.url(f"/to?{allowed.url(f'/to?{forbidden.url(host=host)}')}")
    assert reason(public.follow, url, LONG) == NOT_PUBLIC
    assert forbidden.connections == []


@pytest.mark.parametrize(
    "target", ["file:///etc/hosts", "ftp://127.0.0.1/", "http://[", "http://127.0.0.1:0/"]
)
def test_redirect_to_what_is_no_place_is_refused(exists, remote, target):
    assert not exists(remote.url(f"/to?{target}"))


# --- what is sent along -------------------------------------------------------------------------


def test_request_says_who_we_are_and_nothing_more(exists, remote):
    assert exists(remote.url())
    headers = remote.received[0].headers
    assert headers.pop("User-Agent").startswith("klanten")
    assert headers == {
        "Host": f"127.0.0.1:{remote.port}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def test_user_and_password_of_the_url_are_not_sent(exists, remote):
    assert exists(remote.url(host="user:password@127.0.0.1"))
    assert "Authorization" not in remote.received[0].headers
    assert remote.received[0].headers["Host"] == f"127.0.0.1:{remote.port}"


def test_netrc_is_not_used(exists, remote, monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    assert exists(remote.url())
    assert "Authorization" not in remote.received[0].headers


def test_proxy_is_not_used(exists, remote, start, monkeypatch):
    proxy = start()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url(""))
    assert exists(remote.url())
    assert proxy.connections == []


def test_cookies_are_not_kept(exists, remote):
    assert exists(remote.url("/chain/2"))
    assert exists(remote.url())
    assert all("Cookie" not in received.headers for received in remote.received)


# --- bounds -------------------------------------------------------------------------------------


def test_body_is_not_read(exists, remote):
    assert exists(remote.url("/flood-body"))
    assert remote.cut.wait(LONG)


def test_body_of_a_redirect_is_not_read(exists, remote):
    assert exists(remote.url("/flood-redirect"))
    assert remote.cut.wait(LONG)


@pytest.mark.parametrize("path", ["/flood-head", "/flood-line"])
def test_endless_headers_are_cut_off(open_door, reason, remote, path):
    assert reason(open_door.follow, remote.url(path), LONG) == "the answer is no HTTP"
    assert remote.cut.wait(LONG)


@pytest.mark.parametrize("path", ["/drip-head", "/to?/drip-head", "/flood-interim"])
def test_answer_that_never_ends_is_cut_off_in_time(open_door, reason, remote, path):
    assert reason(open_door.follow, remote.url(path), SHORT) == "no answer in time"
    assert remote.cut.wait(LONG)


def test_secure_answer_that_never_ends_is_cut_off_in_time(
    open_door, reason, secure_remote, ca_bundle, machine_trusts
):
    machine_trusts(ca_bundle)
    assert reason(open_door.follow, secure_remote.url("/drip-head"), SHORT) == "no answer in time"
    assert secure_remote.cut.wait(LONG)


def test_silent_server_is_left_in_time(open_door, reason, remote):
    assert reason(open_door.follow, remote.url("/hang"), SHORT) == "no answer in time"


def test_server_that_says_nothing_to_tls_is_left_in_time(open_door, reason):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert reason(open_door.follow, url, SHORT) == "no answer in time"


def test_slow_dns_is_left_in_time_and_never_leads_to_a_connection(open_door, reason, remote, dns):
    found = threading.Event()

    def slow():
        found.wait(LONG)
        return ["127.0.0.1"]

    dns["slow.example"] = slow
    before = set(threading.enumerate())
    why = reason(open_door.follow, remote.url(host="slow.example"), SHORT)
    found.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
    assert why == "no answer in time"
    assert remote.connections == []


def test_waiting_for_other_checks_counts(make_door, reason, remote, dns, monkeypatch):
    monkeypatch.setattr(door_module, "MAX_LOOK_UPS", 1)
    busy = make_door(network("127.0.0.0/8"))
    looking, found = threading.Event(), threading.Event()

    def slow():
        looking.set()
        found.wait(LONG)
        return ["127.0.0.1"]

    dns["slow.example"] = slow
    first = threading.Thread(target=busy.follow, args=(remote.url(host="slow.example"), LONG))
    first.start()
    assert looking.wait(LONG)
    assert reason(busy.follow, remote.url("/ok/2"), SHORT) == "no answer in time"
    found.set()
    first.join()
    assert [received.path for received in remote.received] == ["/ok"]


# --- TLS ----------------------------------------------------------------------------------------


def test_certificate_that_the_machine_trusts_is_right(
    exists, secure_remote, ca_bundle, machine_trusts
):
    machine_trusts(ca_bundle)
    assert exists(secure_remote.url())


def test_certificate_that_nobody_trusts_is_refused(open_door, reason, secure_remote):
    why = reason(open_door.follow, secure_remote.url(), LONG)
    assert why.startswith("the certificate is refused")
    assert secure_remote.received == []


def test_certificate_of_another_host_is_refused(
    exists, secure_remote, ca_bundle, machine_trusts, dns
):
    machine_trusts(ca_bundle)
    dns["register.example.nl"] = dns["register.example.nl."] = dns["other.example"] = ["127.0.0.1"]
    assert exists(secure_remote.url(host="register.example.nl"))
    assert exists(secure_remote.url(host="register.example.nl."))
    assert not exists(secure_remote.url(host="other.example"))


def test_server_without_tls_is_no_subject_under_https(exists, remote):
    assert not exists(remote.url().replace("http:", "https:"))


# --- services of the operator -------------------------------------------------------------------


def claims(received):
    scheme, token = received.headers["Authorization"].split(" ")
    assert scheme == "Bearer"
    return jwt.decode(token, "a-secret-that-nobody-can-guess-in-a-lifetime", ["HS256"])


def test_subject_of_a_service_is_fetched_with_a_token_on_any_network(door, remote, service_at):
    check = SubjectCheck(door, services=[service_at(remote.url("/ok"))])
    assert check.exists(remote.url("/ok/personen/1"))
    assert claims(remote.received[0])["client_id"] == "klanten"


def test_rest_of_the_host_of_a_service_is_for_nobody(door, remote, service_at):
    check = SubjectCheck(door, services=[service_at(remote.url("/ok/api"))])
    for path in ("/ok", "/ok/apis", "/ok/api/../1", "/ok/api/%2e%2e/1", "/ok/api/..;/1"):
        assert not check.exists(remote.url(path))
    assert remote.connections == []


def test_redirect_within_a_service_carries_a_token(door, remote, service_at):
    check = SubjectCheck(door, services=[service_at(remote.url("/"))])
    assert check.exists(remote.url("/chain/2"))
    assert [claims(received)["iss"] for received in remote.received] == ["klanten"] * 3


def test_redirect_out_of_a_service_carries_no_token(open_door, remote, start, service_at):
    elsewhere = start()
    check = SubjectCheck(open_door, services=[service_at(remote.url("/to"))])
    for target in (elsewhere.url(), remote.url("/ok")):
        assert check.exists(remote.url(f"/to/personen/1?{target}"))
    assert "Authorization" not in elsewhere.received[0].headers
    assert ["Authorization" in received.headers for received in remote.received] == [
        True,
        True,
        False,
    ]


def test_redirect_out_of_a_service_leads_to_public_addresses_only(door, remote, start, service_at):
    elsewhere = start()
    check = SubjectCheck(door, services=[service_at(remote.url("/to"))])
    for target in (elsewhere.url(), remote.url("/ok")):
        assert not check.exists(remote.url(f"/to/personen/1?{target}"))
    assert elsewhere.connections == []
    assert len(remote.received) == 2


def test_redirect_into_a_service_carries_a_token(make_door, remote, start, service_at):
    stranger = start("127.0.0.2")
    check = SubjectCheck(make_door(network("127.0.0.2/32")), services=[service_at(remote.url())])
    assert check.exists(stranger.url(f"/to?{remote.url('/ok/1')}"))
    assert "Authorization" not in stranger.received[0].headers
    assert "Authorization" in remote.received[0].headers


def test_longest_root_that_fits_names_the_service(door, remote, service_at):
    outer = service_at(remote.url("/ok"), client_id="outer")
    inner = service_at(remote.url("/ok/inner"), client_id="inner")
    check = SubjectCheck(door, services=[outer, inner])
    assert check.exists(remote.url("/ok/1"))
    assert check.exists(remote.url("/ok/inner/1"))
    assert [claims(received)["iss"] for received in remote.received] == ["outer", "inner"]


def test_service_is_trusted_by_its_own_bundle(door, secure_remote, service_at, ca_bundle):
    with_bundle = service_at(secure_remote.url("/ok"), ca_bundle=ca_bundle)
    without = service_at(secure_remote.url("/ok"))
    assert SubjectCheck(door, services=[with_bundle]).exists(secure_remote.url("/ok/1"))
    assert not SubjectCheck(door, services=[without]).exists(secure_remote.url("/ok/1"))


@pytest.mark.parametrize(("check", "service"), [(SHORT, LONG), (LONG, SHORT)])
def test_shorter_timeout_counts_at_a_service(door, remote, service_at, check, service):
    services = [service_at(remote.url("/"), timeout=service)]
    assert not SubjectCheck(door, check, services).exists(remote.url("/drip-head"))
    assert remote.cut.wait(LONG)


# --- the log ------------------------------------------------------------------------------------


@pytest.fixture
def log(caplog):
    caplog.set_level("DEBUG")

    def lines():
        return [record.getMessage() for record in caplog.records]

    return lines


def test_check_is_one_line_that_names_the_servers_only(exists, remote, log):
    target = remote.url("/ok/123456782?bsn=123456782", host="user:hunter2@localhost")
    assert exists(remote.url(f"/to/123456782?{target}", host="user:hunter2@127.0.0.1"))
    (line,) = log()
    here, there = f"http://127.0.0.1:{remote.port}", f"http://localhost:{remote.port}"
    assert line.startswith(f"GET {here} -> {there}: 200, ")
    assert line.endswith(" ms")


def test_failed_check_is_one_line_with_the_reason(exists_in_public, remote, log):
    assert not exists_in_public(remote.url("/ok?bsn=123456782"))
    (line,) = log()
    assert line.startswith(f"GET http://127.0.0.1:{remote.port}: {NOT_PUBLIC}, ")


def test_check_of_what_is_no_url_is_one_line(exists, log):
    assert not exists("http://[/123456782")
    (line,) = log()
    assert line.startswith("GET nowhere: the URL is malformed, ")


@pytest.mark.parametrize("path", ["/garbage?bsn=123456782", "/to?http://[/123456782", "/hangup"])
def test_log_quotes_nothing_of_the_other_side(exists, remote, log, path):
    assert not exists(remote.url(path))
    (line,) = log()
    assert "123456782" not in line
    assert "Bearer" not in line


def test_log_shows_no_token(door, remote, service_at, log):
    check = SubjectCheck(door, services=[service_at(remote.url("/ok"))])
    assert check.exists(remote.url("/ok/123456782"))
    (line,) = log()
    token = remote.received[0].headers["Authorization"].split(" ")[1]
    assert token not in line
    assert "123456782" not in line
