"""What nobody sends by mistake: a refusal, and the server goes on."""

import json
import socket
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import uuid4

import pytest
import webtest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from klanten.model.fields import IDENTIFICATIE, KLANT, Field, Kind
from tests.conftest import bearer
from tests.factories import make_klant
from tests.fouten import assert_form_of_fout, assert_fout, faults_of
from tests.servers import Server, serving

KLANTEN = "/api/v1/klanten"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


# --- wrong types in every field -----------------------------------------------------------------

WRONG: list[Any] = [
    None,
    True,
    False,
    [],
    ["a"],
    {},
    {"a": 1},
    0,
    -1,
    1.5,
    10**30,
    -(10**30),
    "",
    " ",
    "a\0b",
    2000 * "x",
    "\U0010ffff",
]


def expected(field: Field, value: Any) -> set[str]:
    """Codes that a field may be refused with for this value, by the kind of the field."""
    is_text = isinstance(value, str) or (
        isinstance(value, int | float) and not isinstance(value, bool)
    )
    if value is None:
        return set() if field.nullable or field.null_ignored else {"null"}
    if field.kind is Kind.CHOICE:
        return set() if value == "" and not field.nullable else {"invalid_choice"}
    if field.kind is Kind.OBJECT:
        return set() if isinstance(value, dict) else {"nonFieldErrors: invalid"}
    if field.kind is Kind.TEXTS:
        return set() if isinstance(value, list) else {"not_a_list"}
    if not is_text:
        return {"invalid"}
    if field.kind is Kind.INTEGER:
        return integer(field, value)
    text = str(value).strip()
    if not text:
        return {"blank"} if field.min_length else set()
    return text_codes(field, text)


def integer(field: Field, value: Any) -> set[str]:
    if isinstance(value, str) and len(value) > 1000:
        return {"max_string_length"}
    if isinstance(value, str) or value == 1.5:
        return {"invalid"}
    if value < 0:
        return {"min_value"}
    return {"max_value"} if value > 99999 else set()


def text_codes(field: Field, text: str) -> set[str]:
    codes = set()
    if len(text) > (field.max_length or len(text)):
        codes.add("max_length")
    if "\0" in text:
        codes.add("null_characters_not_allowed")
    match field.kind:
        case Kind.URL:
            codes.add("invalid")
        case Kind.EMAIL:
            codes.add("invalid")
        case Kind.A_NUMMER:
            codes.add("a-nummer-incorrect-format")
        case Kind.ELEVEN_TEST if not (text.isascii() and text.isdigit()):
            codes.add("only-digits")
        case Kind.ELEVEN_TEST:
            codes.add("invalid-length")
    return codes | ({"bad-url"} if field.must_exist else set())


def places(fields: Iterable[Field], path: tuple[str, ...] = ()) -> Iterator[tuple[Field, Any]]:
    """Every field that can be sent, with its path."""
    for field in fields:
        if not field.read_only:
            yield field, (*path, field.name)
            yield from places(field.fields, (*path, field.name))


OWN = [place for place in places(KLANT) if place[1] != ("subjectType",)]
OF_TYPE = [
    (subject_type, field, path)
    for subject_type, identificatie in IDENTIFICATIE.items()
    for field, path in places(identificatie.fields, ("subjectIdentificatie",))
]


def with_value(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A body with this value at this path, and the required members beside it."""
    *above, name = path
    here = required_beside(path) | {name: value}
    for key in reversed(above):
        here = {key: here}
    return here


def required_beside(path: tuple[str, ...]) -> dict[str, Any]:
    match path[-2:]:
        case ("verblijfsadres", _):
            return {"aoaIdentificatie": "1", "gorOpenbareRuimteNaam": "a"}
        case ("subVerblijfBuitenland", _):
            return {"lndLandcode": "1", "lndLandnaam": "a"}
        case _:
            return {}


def assert_judged(app: webtest.TestApp, klant: Any, field: Field, path: Any, value: Any) -> None:
    """The change is refused exactly as the kind of the field asks, or else accepted."""
    codes = expected(field, value)
    name = ".".join(path)
    wanted = {
        (f"{name}.nonFieldErrors", "invalid") if code == "nonFieldErrors: invalid" else (name, code)
        for code in codes
    }
    response = app.patch_json(klant["url"], with_value(path, value), status="*")
    if not wanted and field.kind is Kind.OBJECT and value in ({}, {"a": 1}) and field.null_ignored:
        wanted = {
            (f"{name}.{member.name}", "required") for member in field.fields if member.required
        }
    found = set(faults_of(response)) if response.status_int == 400 else set()
    assert found == wanted, (path, value)
    if wanted:
        assert_form_of_fout(response)
    else:
        assert response.status_int == 200, (path, value)


@pytest.mark.parametrize(("field", "path"), OWN, ids=[".".join(path) for _, path in OWN])
def test_every_field_of_a_klant_judges_every_type(app, field, path):
    klant = app.post_json(KLANTEN, make_klant()).json
    for value in WRONG:
        assert_judged(app, klant, field, path, value)


@pytest.mark.parametrize("subject_type", IDENTIFICATIE)
def test_every_field_of_an_identification_judges_every_type(app, subject_type):
    known = IDENTIFICATIE[subject_type].fields[0].name
    sent = make_klant(subjectType=subject_type, subjectIdentificatie={known: ""})
    if subject_type == "vestiging":
        sent["subjectIdentificatie"] = {"handelsnaam": []}
    klant = app.post_json(KLANTEN, sent, status=201).json
    for of_type, field, path in OF_TYPE:
        if of_type == subject_type:
            for value in WRONG:
                if not (field.kind is Kind.TEXTS and value == ["a"]):
                    assert_judged(app, klant, field, path, value)


@pytest.mark.parametrize(
    ("items", "faults"),
    [
        ([None], [("0", "null")]),
        ([[]], [("0", "invalid")]),
        ([{}, "ok", True], [("0", "invalid"), ("2", "invalid")]),
        (["a\0", 626 * "x"], [("0", "null_characters_not_allowed"), ("1", "max_length")]),
    ],
)
def test_every_item_of_a_list_is_judged(app, items, faults):
    sent = make_klant(subjectType="vestiging", subjectIdentificatie={"handelsnaam": items})
    names = [(f"subjectIdentificatie.handelsnaam.{place}", code) for place, code in faults]
    assert_fout(app.post_json(KLANTEN, sent, status=400), 400, "invalid", *names)


# --- bodies -------------------------------------------------------------------------------------


def nested(levels: int, key: str = "") -> bytes:
    if key:
        return levels * f'{{"{key}":'.encode() + b"1" + levels * b"}"
    return levels * b"[" + levels * b"]"


@pytest.mark.parametrize(
    "body",
    [
        nested(100_000),
        nested(100_000, "a"),
        100_000 * b"[",
        100_000 * b'{"a":',
        b'{"unknown": ' + nested(100_000) + b"}",
        b'{"adres": ' + nested(501) + b"}",
        b'{"subjectIdentificatie": ' + nested(501, "verblijfsadres") + b"}",
        100_000 * b"[{",
        b'{"a": "\\ud800"}',
        b'{"a": "\\udfff\\ud800"}',
        b'{"\\ud800": "a"}',
        b'{"adres": {"straatnaam": "\\ud83d"}}',
        b'{"a": "\xff"}',
        b'{"\xff": "a"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\x80"}',
        b'{"a": 1e999}',
        b'{"a": -1e400}',
        b"NaN",
        b"\0",
        b"{}\0",
        b"\xef\xbb\xbf{}",
        b'{"a": ' + 400_000 * b"1" + b"e9}",
        200_000 * b"\\",
        b'"' + 200_000 * b"\\",
        300_000 * b'"',
    ],
    ids=range(26),
)
def test_a_body_that_is_no_json_of_ours_is_a_parse_error(app, body):
    klant = app.post_json(KLANTEN, make_klant()).json
    for method, url in (("POST", KLANTEN), ("PATCH", klant["url"])):
        response = app.request(url, method=method, body=body, headers=JSON, status=400)
        assert_fout(response, 400, "parse_error")
    assert app.get(klant["url"]).json == klant


@pytest.mark.parametrize("key", ["", "a"])
def test_five_hundred_levels_are_ignored_under_an_unknown_key(app, key):
    klant = app.post_json(KLANTEN, make_klant()).json
    for levels, status in ((500, 200), (501, 400)):
        body = b'{"unknown": ' + nested(levels, key) + b"}"
        app.request(klant["url"], method="PATCH", body=body, headers=JSON, status=status)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' + 900_000 * b"9" + b"}",
        b'{"a":"' + 150_000 * b"\\u0000" + b'"}',
        b"{" + b",".join(b'"%d":1' % number for number in range(70_000)) + b"}",
        b'{"emailadres":"' + 450_000 * b"a." + b'"}',
        b'{"websiteUrl":"http://' + 450_000 * b"a-" + b'"}',
        b'{"adres":{"huisnummer":"' + 900_000 * b"1" + b'"}}',
        b'{"bronorganisatie":"' + 900_000 * b" " + b'x"}',
    ],
    ids=range(7),
)
def test_a_large_body_is_judged_like_a_small_one(app, body):
    assert_form_of_fout(app.post(KLANTEN, body, headers=JSON, status=400))


# --- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (b"", "permission_denied"),
        (b"Bearer", "permission_denied"),
        (b"Bearer  x", "permission_denied"),
        (b"bearer x", "permission_denied"),
        (b"Basic YTpi", "permission_denied"),
        (b"\xff", "permission_denied"),
        (b"Bearer\tx", "permission_denied"),
        (b"Bearer x", "jwt-decode-error"),
        (b"Bearer \xff", "jwt-decode-error"),
        (b"Bearer caf\xc3\xa9", "jwt-decode-error"),
        (b"Bearer a.b.c", "jwt-decode-error"),
        (b"Bearer a b", "jwt-decode-error"),
        (b"Bearer " + 200_000 * b"a", "jwt-decode-error"),
        (b"Bearer " + 200_000 * b".", "jwt-decode-error"),
        (b"Bearer e30.W10.", "jwt-decode-error"),
        (b"Bearer e30.e30.", "missing-client-identifier"),
    ],
    ids=range(16),
)
def test_an_odd_token_is_refused(server, authorization, code):
    answer = server.request("GET", "/klanten", headers={"Authorization": authorization})
    assert_fout(answer, 403, code)
    assert server.answers()


@pytest.mark.parametrize("claim", [None, 1, 1.5, True, [], {}, "", "ALL", " all", "a\0", "\ud800"])
def test_a_client_id_of_another_type_is_unknown(app, token, claim):
    headers = {"Authorization": token("all", claims={"client_id": claim})}
    assert_fout(app.get(KLANTEN, headers=headers, status=403), 403, "invalid-client-identifier")


@pytest.mark.parametrize("moment", [None, "1", "x", [], {}, True])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_moment_that_is_no_number_is_refused(app, token, name, moment):
    headers = {"Authorization": token("all", claims={name: moment})}
    response = app.get(KLANTEN, headers=headers, status=403)
    assert_form_of_fout(response)


@pytest.mark.parametrize(
    "moment", [10**400, -(10**400), 1e308, -1e308], ids=["huge", "-huge", "double", "-double"]
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_moment_of_any_size_is_judged(app, token, name, moment):
    """`iat` may be anything; the others say when a token counts."""
    counts = name == "iat" or (name == "exp") == (moment > 0)
    headers = {"Authorization": token("all", claims={name: moment})}
    response = app.get(KLANTEN, headers=headers, status="*")
    assert response.status_int == (200 if counts else 403)
    if not counts:
        assert response.json["code"] in ("jwt-expired", "jwt-not-yet-valid")


# --- headers without effect ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "X-Unknown",
        "User-Agent",
        "Cookie",
        "Referer",
        "Accept-Language",
        "Accept-Charset",
        "Accept-Encoding",
        "Origin",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "Range",
        "X-Audit-Toelichting",
        "X-NLX-Request-User-Id",
        "X-NLX-Logrecord-ID",
        "X-Request-ID",
        "X-HTTP-Method-Override",
        "X-Forwarded-For",
        "Forwarded",
        "Host",
        "Max-Forwards",
        "Upgrade",
        "TE",
    ],
)
def test_bytes_that_are_no_utf8_have_no_effect_in_other_headers(server, name):
    klant = server.request("POST", "/klanten", make_klant()).json
    url = server.root + klant["url"].partition("/api/v1")[2]
    for value in (b"\xff\xfe", b"caf\xe9 \xed\xa0\x80", b'"\xff"', b"\x80" * 1000):
        assert server.request("GET", url, headers={name: value}).status == 200
        assert server.request("PATCH", url, {}, headers={name: value}).status == 200
    assert server.answers()


# --- what the server itself refuses, on the wire ------------------------------------------------


def request(
    server: Server, line: bytes, headers: bytes = b"", *body: bytes, host: bytes = b"x"
) -> bytes:
    """The first line of what comes back; empty when the server hangs up."""
    head = (
        line
        + b"\r\nHost: "
        + host
        + b"\r\nConnection: close\r\nAuthorization: "
        + server.headers["Authorization"].encode()
        + b"\r\n"
        + headers
        + b"\r\n"
    )
    return server.send(head, *body).partition(b"\r\n")[0]


POST = b"POST /api/v1/klanten HTTP/1.1"
GET = b"GET /api/v1/klanten HTTP/1.1"
TYPE = b"Content-Type: application/json\r\n"
CHUNKED = TYPE + b"Transfer-Encoding: chunked\r\n"


def test_two_gigabytes_are_refused_as_soon_as_they_are_announced(server):
    headers = TYPE + b"Content-Length: 2147483648\r\n"
    assert request(server, POST, headers, b"{").startswith(b"HTTP/1.1 413 ")
    assert server.answers()


def test_a_body_without_an_end_is_refused(server):
    chunk = b"10000\r\n" + 65536 * b" " + b"\r\n"
    assert request(server, POST, CHUNKED, *(40 * [chunk])).startswith(b"HTTP/1.1 413 ")
    assert server.answers()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_by_us_where_the_server_lets_it_pass(app, server, chunked):
    body = 1_048_577 * b" "
    headers = JSON | ({"Transfer-Encoding": "chunked"} if chunked else {})
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    with serving(app.app, server.headers, max_request_body_size=2**23) as patient:
        answer = patient.request("POST", "/klanten", body=sent, headers=headers)
        assert_fout(answer, 413, "request_entity_too_large")
        assert patient.answers()


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}xx0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"\r\n{}\r\n0\r\n\r\n",
        b"2;\0\r\n{}\r\n0\r\n\r\n",
        b"\xff\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_are_refused(server, body):
    assert request(server, POST, CHUNKED, body).startswith(b"HTTP/1.1 400 ")
    assert server.answers()


@pytest.mark.parametrize("sent", [b"2\r\n{", b"fffffffffffffff\r\n{}", b"2\r\n{}\r\n", b"2"])
def test_chunks_that_end_halfway_leave_nothing_behind(server, sent):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(POST + b"\r\nHost: x\r\n" + CHUNKED + b"\r\n" + sent)
    assert server.answers()


@pytest.mark.parametrize("length", [b"-2", b"+2", b"2, 2", b"0x2", b"two", b"2.0", 5000 * b"9"])
def test_a_length_that_is_none_is_refused(server, length):
    answer = request(server, POST, TYPE + b"Content-Length: " + length + b"\r\n", b"{}")
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
    assert server.answers()


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://[ HTTP/1.1",
        b"GET //[ HTTP/1.1",
        b"GET /api/v1/klanten/\xff HTTP/1.1",
        b"GET /api/v1/klanten?achternaam=\xff HTTP/1.1",
        b"GET /api/v1/klanten/\0 HTTP/1.1",
        b"GET /api/v1/klanten/" + 200_000 * b"a" + b" HTTP/1.1",
        b"GET /api/v1/klanten/" + 300_000 * b"a" + b" HTTP/1.1",
        b"GET /" + 100_000 * b"a/" + b" HTTP/1.1",
        b"GET /api/v1/klanten?page=" + 200_000 * b"9" + b" HTTP/1.1",
        b"GET /api/v1/klanten/%",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT example.nl:443 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET",
        b"HELO example.nl",
    ],
    ids=range(15),
)
def test_an_odd_first_line_is_no_fault_of_the_server(server, line):
    assert not request(server, line).partition(b" ")[2].startswith((b"5", b"2"))
    assert server.answers()


@pytest.mark.parametrize("count", [60_000])
def test_as_many_parameters_as_fit_are_looked_at(server, count):
    line = b"GET /api/v1/klanten?" + count * b"a=1&" + b" HTTP/1.1"
    assert request(server, line).startswith(b"HTTP/1.1 200 ")
    assert server.answers()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"X: " + 300_000 * b"a" + b"\r\n", b"431"),
        (b"".join(b"X%d: a\r\n" % number for number in range(40_000)), b"431"),
        (b"X: " + 200_000 * b"a" + b"\r\n", b"200"),
        (10_000 * b"X: a\r\n", b"200"),
        (b"If-None-Match: " + 100_000 * b'"' + b"\r\n", b"200"),
        (b"If-None-Match: " + 60_000 * b'"",' + b"\r\n", b"200"),
        (b"Accept: */*;" + 100_000 * b'"' + b"\r\n", b"200"),
        (b"Accept: " + 60_000 * b"a/b," + b"*/*\r\n", b"200"),
        (b"X: a\0b\r\n", b"400"),
        (b"X : a\r\n", b"400"),
        (b"X\r\n", b"400"),
        (b": a\r\n", b"400"),
    ],
    ids=range(12),
)
def test_a_bomb_of_headers_does_no_harm(server, headers, status):
    assert request(server, GET, headers).split()[1] == status
    assert server.answers()


@pytest.mark.parametrize(
    "host",
    [
        *(b"a b", b'"', b"a/b", b"[", b"a\\b", b"a?b", b"a#b", b"u@a", b"<a>", b"[::1"),
        *(b"a:b", b"a:1:2", b"::1", b"a:-1", b"[a/b]", b"[::1]x", b"a, b", b"a%", b"a%zz"),
        b"a\r\nHost: b",
    ],
)
def test_a_host_that_is_none_is_refused(server, host):
    for line in (GET, POST, b"GET /api/v1/openapi.json HTTP/1.1", b"GET /api/v1/x HTTP/1.1"):
        sent = line + b"\r\nHost: " + host + b"\r\nConnection: close\r\n"
        sent += f"Authorization: {server.headers['Authorization']}\r\n\r\n".encode()
        head, _, body = server.send(sent).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        fout = json.loads(body)
        assert fout["code"] == "bad_request"
        assert fout["type"].endswith(f":{server.port}/ref/fouten/BadRequest/")
    assert server.answers()


@pytest.mark.parametrize(
    "host", [b"", 1000 * b"a.", b"_a-b.nl:", b"A.NL:99999", b"[1::2]:8", b"%41", b"\xff"]
)
def test_an_odd_host_is_served(server, host):
    assert request(server, GET, host=host).startswith(b"HTTP/1.1 200 ")


# --- anything at all ----------------------------------------------------------------------------


ANY_BYTES = st.binary(max_size=60) | st.text(max_size=20).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
HEADERS = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Content-Length",
    "Host",
    "If-None-Match",
    "Origin",
    "Access-Control-Request-Method",
    "X-Audit-Toelichting",
    "X-NLX-Request-User-Id",
    "X-NLX-Logrecord-ID",
    "X-Request-ID",
    "Cookie",
    "Range",
    "Transfer-Encoding",
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from([path[-1] for _, path in OWN] + [path[-1] for _, _, path in OF_TYPE])
            | st.text(max_size=5),
            children,
            max_size=6,
        )
    ),
    max_leaves=20,
)
ALWAYS = settings(
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def call(
    app: Any,
    method: str,
    path: bytes,
    query: bytes = b"",
    headers: dict[str, bytes] | None = None,
    body: bytes = b"",
) -> None:
    """Call the application with any bytes; it must answer, and never with a fault of its own."""
    environ = webtest.TestRequest.blank("/", method="POST" if body else "GET", body=body).environ
    environ |= {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "HTTP_AUTHORIZATION": bearer("all"),
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        prefix = "" if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
        environ[prefix + key] = value.decode("latin-1")
    seen: list[Any] = []
    content = b"".join(app(environ, lambda status, headers: seen.extend([status, headers])))
    status, sent = seen
    assert int(status[:3]) < 500
    for name, value in sent:
        assert "\n" not in name + value
        assert "\r" not in name + value
        value.encode("latin-1")
    if int(status[:3]) >= 400 and method != "HEAD":
        fout = json.loads(content)
        assert fout["status"] == int(status[:3])
        assert fout["detail"]


def on_one_line(value: bytes) -> bytes:
    return value.replace(b"\n", b"").replace(b"\r", b"")


METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


@ALWAYS
@given(method=METHODS, path=ANY_BYTES)
@example(method="GET", path=b"/api/v1/klanten\n")
def test_any_path_is_answered(shared_app, method, path):
    for start in (b"/", b"/api/v1/", b"/api/v1/klanten/", b"/ref/fouten/"):
        call(shared_app.app, method, start + path)
    call(shared_app.app, method, b"/api/v1/klanten/" + path + b"/audittrail/" + path)


@ALWAYS
@given(query=ANY_BYTES, name=st.sampled_from(["page", "bronorganisatie", "subject", "achternaam"]))
def test_any_query_is_answered(shared_app, query, name):
    for sent in (query, b"%b=%b" % (name.encode(), query), quote_from_bytes(query).encode()):
        call(shared_app.app, "GET", b"/api/v1/klanten", sent)
    value = quote_from_bytes(query).encode()
    call(shared_app.app, "GET", b"/api/v1/klanten", b"%b=%b" % (name.encode(), value))


@ALWAYS
@given(
    method=METHODS,
    headers=st.dictionaries(st.sampled_from(HEADERS), ANY_BYTES.map(on_one_line), max_size=4),
)
def test_any_headers_are_answered(shared_app, method, headers):
    for path in (b"/api/v1/klanten", b"/api/v1/klanten/x", b"/api/v1/openapi.json", b"/"):
        call(shared_app.app, method, path, headers=headers, body=b"{}" if method != "GET" else b"")


@ALWAYS
@given(body=ANY_BYTES)
def test_any_body_is_answered(shared_app, body):
    headers = {"Content-Type": b"application/json"}
    nobody = f"/api/v1/klanten/{uuid4()}".encode()
    for method, path in (("POST", b"/api/v1/klanten"), ("PUT", nobody)):
        call(shared_app.app, method, path, headers=headers, body=body)


@ALWAYS
@given(value=JSON_VALUES, klant=st.booleans())
def test_any_json_is_answered(shared_app, value, klant):
    sent = make_klant() | value if klant and isinstance(value, dict) else value
    body = json.dumps(sent).encode()
    headers = {"Content-Type": b"application/json"}
    call(shared_app.app, "POST", b"/api/v1/klanten", headers=headers, body=body)
