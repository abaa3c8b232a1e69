import hashlib
import hmac
import json
import threading
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.clients import Clients
from klanten.tokens import TokenRefused, Tokens, make_token

SECRET = "a-secret-that-nobody-can-guess-in-a-lifetime"
NOW = 1_800_000_000
CLIENTS = f"""
[zaaksysteem]
secret = {SECRET}
label = Zaaksysteem
scopes = *

[short]
secret = kort

[pem]
secret = -----BEGIN PUBLIC KEY-----

[jwk]
secret = {{"kty": "oct"}}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "clients.ini"
    path.write_text(CLIENTS)
    return path


@pytest.fixture(scope="module")
def clients(file):
    return Clients(file)


@pytest.fixture(scope="module")
def tokens(clients):
    return Tokens(clients)


@pytest.fixture
def path(tmp_path):
    """A file of this test alone, to be changed by it."""
    path = tmp_path / "clients.ini"
    path.write_text(CLIENTS)
    return path


@pytest.fixture
def clock(monkeypatch):
    """The present, in a list: tests move it."""
    present = [NOW]
    monkeypatch.setattr("klanten.tokens.time.time", lambda: present[0])
    return present


def base64url(content):
    return urlsafe_b64encode(content).rstrip(b"=")


def signed(header, payload, secret=SECRET, digest=hashlib.sha256):
    """An Authorization header made by hand, so that everything in it may be wrong."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    message = b".".join(map(base64url, parts))
    signature = hmac.digest(secret.encode(), message, digest)
    return f"Bearer {message.decode()}.{base64url(signature).decode()}"


def bearer(secret=SECRET, **claims):
    claims = {"client_id": "zaaksysteem", **claims}
    return signed({"alg": "HS256", "typ": "JWT"}, claims, secret)


def code(tokens, authorization):
    with pytest.raises(TokenRefused) as caught:
        tokens.verify(authorization)
    assert caught.value.detail
    assert SECRET not in caught.value.detail
    return caught.value.code


GOOD = bearer()
HEADER, PAYLOAD, SIGNATURE = GOOD.removeprefix("Bearer ").split(".")


class TestACallerThatIsKnown:
    def test_is_the_client_of_the_file(self, tokens, clients):
        caller = tokens.verify(bearer(user_id="u1", user_representation="Jan de Vries"))
        assert caller.client is clients.current()["zaaksysteem"]
        assert caller.client_id == "zaaksysteem"
        assert caller.user_id == "u1"
        assert caller.user_representation == "Jan de Vries"

    @pytest.mark.parametrize(
        "claims",
        [
            pytest.param({"iat": NOW}, id="gemma-zds-client"),
            pytest.param({"iat": NOW, "exp": NOW + 43200}, id="zgw-consumers"),
            pytest.param({"iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 3600}, id="kiss"),
            pytest.param({"iat": NOW, "iss": "testsuite"}, id="open-klant-migration"),
            pytest.param({"iat": NOW - 10**7}, id="kept-for-months"),
            pytest.param({"iat": NOW + 10**7}, id="clock-ahead"),
            pytest.param({"aud": ["elsewhere"], "sub": 12, "jti": 5, "iss": None}, id="unused"),
            pytest.param({"exp": NOW + 0.5, "nbf": 0.0, "iat": -1e300}, id="fractions"),
            pytest.param({"exp": 10**30, "nbf": -(10**30), "iat": 10**30}, id="huge"),
            pytest.param({}, id="nothing-but-a-name"),
        ],
    )
    def test_may_have_made_its_token_as_consumers_do(self, tokens, clock, claims):
        assert tokens.verify(bearer(**claims)).client_id == "zaaksysteem"

    @pytest.mark.parametrize("client_id", ["short", "pem", "jwk"])
    def test_may_have_any_secret_without_a_warning_at_each_token(self, tokens, clients, client_id):
        secret = clients.current()[client_id].secret
        assert tokens.verify(bearer(secret, client_id=client_id)).client_id == client_id

    def test_may_name_itself_twice_and_the_last_counts(self, tokens):
        payload = b'{"client_id": "short", "client_id": "zaaksysteem"}'
        assert tokens.verify(signed({"alg": "HS256"}, payload)).client_id == "zaaksysteem"

    def test_may_say_more_in_the_header(self, tokens):
        header = {"alg": "HS256", "typ": "at+jwt", "kid": "1", "cty": 5, "jku": "http://x.nl/"}
        assert tokens.verify(signed(header, {"client_id": "zaaksysteem"}))

    def test_may_send_a_token_of_any_length(self, tokens):
        assert tokens.verify(bearer(more="x" * 100_000)).client_id == "zaaksysteem"


class TestTheUserBehindACaller:
    @pytest.mark.parametrize(
        ("claim", "text"),
        [
            ("Jan", "Jan"),
            ("", ""),
            (" a ", " a "),
            (None, ""),
            (12, "12"),
            (1.50, "1.5"),
            (True, "True"),
            (["a", 1], "['a', 1]"),
            ({"a": None}, "{'a': None}"),
            ("a\0b", "ab"),
            ("a\ud800b\udfffc", "abc"),
            ("💶\ud83d\ud83d\ude00\ude00", "💶😀"),
            ("\\ud800", "\\ud800"),
            # as Python writes a list of them, in signs that are no such thing
            (["\ud800", "\0"], "['\\ud800', '\\x00']"),
            ("💶" * 300, "💶" * 255),
            ("\0" * 300 + "x", "x"),
        ],
    )
    def test_is_cut_and_cleaned_and_never_refused(self, tokens, claim, text):
        caller = tokens.verify(bearer(user_id=claim, user_representation=claim))
        assert (caller.user_id, caller.user_representation) == (text, text)

    def test_is_empty_when_the_token_names_none(self, tokens):
        caller = tokens.verify(GOOD)
        assert (caller.user_id, caller.user_representation) == ("", "")


class TestNoToken:
    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Bearer",
            "Bearer ",
            "Bearer  ",
            GOOD.replace(" ", "  "),
            GOOD.replace(" ", "\t"),
            GOOD.replace(" ", "\xa0"),
            GOOD.replace("Bearer", "bearer"),
            GOOD.replace("Bearer", "BEARER"),
            GOOD.replace("Bearer", "Token"),
            GOOD.replace(" ", ""),
            " " + GOOD,
            "\n" + GOOD,
            "\ufeff" + GOOD,
            GOOD.removeprefix("Bearer "),
            "Basic dGVzdDp0ZXN0",
        ],
    )
    def test_is_a_refusal_of_permission(self, tokens, authorization):
        assert code(tokens, authorization) == "permission_denied"


class TestATokenThatCannotBeRead:
    @pytest.mark.parametrize(
        "token",
        [
            "garbage",
            "a.b.c",
            ".",
            "..",
            "...",
            f"{HEADER}.{PAYLOAD}",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}.",
            f".{HEADER}.{PAYLOAD}.{SIGNATURE}",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}",
            f"{HEADER}..{SIGNATURE}",
            f".{PAYLOAD}.{SIGNATURE}",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE} ",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}\n",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}\0",
            f"\t{HEADER}.{PAYLOAD}.{SIGNATURE}",
            f"{HEADER} .{PAYLOAD}.{SIGNATURE}",
            f"{HEADER}.{PAYLOAD}. {SIGNATURE}",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}, {HEADER}.{PAYLOAD}.{SIGNATURE}",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}=",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE}==",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-1]}+",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-2]}",
            f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-1]}{chr(ord(SIGNATURE[-1]) + 1)}",
            f"{HEADER}.{PAYLOAD}!.{SIGNATURE}",
            f"{HEADER}\xff.{PAYLOAD}.{SIGNATURE}",
            f"{HEADER}.\ud800{PAYLOAD}.{SIGNATURE}",
            '{"payload": "x", "signatures": []}',
            "x" * 1_000_000,
            "." * 1_000_000,
        ],
    )
    def test_by_its_form(self, tokens, token):
        assert code(tokens, f"Bearer {token}") == "jwt-decode-error"

    def test_by_padding_that_fits(self, tokens):
        header = b'{"alg": "HS256" }'
        assert len(header) % 3
        message = urlsafe_b64encode(header) + b"." + PAYLOAD.encode()
        signature = base64url(hmac.digest(SECRET.encode(), message, "sha256"))
        authorization = f"Bearer {message.decode()}.{signature.decode()}"
        assert "=" in authorization
        assert code(tokens, authorization) == "jwt-decode-error"

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"zaaksysteem"',
            b"12",
            b'{"client_id": "zaaksysteem", "exp": NaN}',
            b'{"client_id": "zaaksysteem", "exp": Infinity}',
            b'{"client_id": "zaaksysteem"} x',
            b'{"client_id": "zaaksysteem", "user_id": "\\ud8zz"}',
            b'{"client_id": "zaaksysteem", "user_id": 1\\ud800}',
            b'{"client_id": "zaaksysteem", "user_id": "\xed\xa0\x80"}',
            b'{"client_id": "zaaksysteem", "user_id": "\xff"}',
            b'\xef\xbb\xbf{"client_id": "zaaksysteem"}',
            '{"client_id": "zaaksysteem"}'.encode("utf-16"),
            b'{"client_id": "zaaksysteem", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"client_id": "zaaksysteem", "a": ' + b"[" * 100_000,
        ],
    )
    def test_by_a_payload_that_is_no_json_object(self, tokens, payload):
        assert code(tokens, signed({"alg": "HS256"}, payload)) == "jwt-decode-error"

    @pytest.mark.parametrize(
        "header",
        [
            b"",
            b"null",
            b'["HS256"]',
            b'"HS256"',
            b"\xff",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"alg": "HS256", "kid": 5}',
            b'{"alg": "HS256", "x": ' + b"1" * 10_000 + b"}",
        ],
    )
    def test_by_a_header_that_is_no_json_object(self, tokens, header):
        authorization = signed(header, {"client_id": "zaaksysteem"})
        assert code(tokens, authorization) == "jwt-decode-error"

    @pytest.mark.parametrize(
        "extension",
        [
            {"crit": []},
            {"crit": None},
            {"crit": "exp"},
            {"crit": [5]},
            {"crit": ["exp"], "exp": 1},
            {"crit": ["b64"]},
            {"crit": ["b64"], "b64": True},
            {"crit": ["b64"], "b64": False},
            {"b64": False},
        ],
    )
    def test_by_an_extension_that_it_calls_critical(self, tokens, extension):
        authorization = signed({"alg": "HS256", **extension}, {"client_id": "zaaksysteem"})
        assert code(tokens, authorization) == "jwt-decode-error"

    @pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("moment", [None, True, False, "", "1", "9999999999", [], {}, [1]])
    def test_by_a_moment_that_is_no_number(self, tokens, claim, moment):
        assert code(tokens, bearer(**{claim: moment})) == "jwt-decode-error"


class TestAClientThatIsNotKnown:
    def test_because_the_token_names_none(self, tokens):
        payload = {"iss": "zaaksysteem", "user_id": "u1"}
        assert code(tokens, signed({"alg": "HS256"}, payload)) == "missing-client-identifier"

    @pytest.mark.parametrize(
        "client_id",
        [
            None,
            "",
            "no-such-client",
            "Zaaksysteem",
            "zaaksysteem ",
            5,
            True,
            [],
            {},
            ["short"],
            "short\ud800",
        ],
    )
    def test_because_nobody_here_has_that_name(self, tokens, client_id):
        assert code(tokens, bearer(client_id=client_id)) == "invalid-client-identifier"


class TestASignatureThatIsWrong:
    @pytest.mark.parametrize("secret", ["wrong", SECRET + " ", SECRET.upper(), "kort", ""])
    def test_by_another_secret(self, tokens, secret):
        assert code(tokens, bearer(secret)) == "invalid-jwt-signature"

    @pytest.mark.parametrize("part", [0, 1])
    def test_by_another_header_or_payload(self, tokens, part):
        other = bearer(user_id="somebody else").removeprefix("Bearer ").split(".")
        parts = [HEADER, PAYLOAD, SIGNATURE]
        parts[part] = [base64url(b'{"alg":"HS256"}').decode(), other[1]][part]
        assert code(tokens, "Bearer " + ".".join(parts)) == "invalid-jwt-signature"

    @pytest.mark.parametrize("signature", ["", SIGNATURE[:20], SIGNATURE * 4])
    def test_by_another_length(self, tokens, signature):
        authorization = f"Bearer {HEADER}.{PAYLOAD}.{signature}"
        assert code(tokens, authorization) == "invalid-jwt-signature"

    @pytest.mark.parametrize(
        ("algorithm", "digest"), [("HS512", "sha512"), ("HS384", "sha384"), ("HS256", "sha512")]
    )
    def test_by_another_algorithm(self, tokens, algorithm, digest):
        authorization = signed({"alg": algorithm}, {"client_id": "zaaksysteem"}, digest=digest)
        assert code(tokens, authorization) == "invalid-jwt-signature"

    @pytest.mark.parametrize(
        "header",
        [
            {},
            {"alg": ""},
            {"alg": "none"},
            {"alg": "None"},
            {"alg": "hs256"},
            {"alg": "HS256 "},
            {"alg": "RS256"},
            {"alg": "ES256"},
            {"alg": "dir", "enc": "A128GCM"},
            {"alg": "unknown"},
            {"alg": None},
            {"alg": True},
            {"alg": 256},
            {"alg": ["HS256"]},
            {"alg": {"HS256": "HS256"}},
        ],
    )
    def test_by_a_header_that_does_not_say_hs256(self, tokens, header):
        authorization = signed(header, {"client_id": "zaaksysteem"})
        assert code(tokens, authorization) == "invalid-jwt-signature"

    def test_by_alg_none_without_a_signature(self, tokens):
        header = base64url(b'{"alg": "none"}').decode()
        assert code(tokens, f"Bearer {header}.{PAYLOAD}.") == "invalid-jwt-signature"


class TestTheOrderOfRefusal:
    def test_form_before_client(self, tokens):
        authorization = signed({"alg": "HS256"}, ["client_id"], "wrong")
        assert code(tokens, authorization) == "jwt-decode-error"

    def test_client_before_signature(self, tokens):
        assert code(tokens, bearer("wrong", client_id="?")) == "invalid-client-identifier"
        authorization = signed({"alg": "none"}, {"exp": 1})
        assert code(tokens, authorization) == "missing-client-identifier"

    def test_signature_before_moments(self, tokens):
        assert code(tokens, bearer("wrong", exp=1)) == "invalid-jwt-signature"
        assert code(tokens, bearer("wrong", exp="text")) == "invalid-jwt-signature"

    def test_expired_before_not_yet_valid(self, tokens, clock):
        assert code(tokens, bearer(exp=NOW - 100, nbf=NOW + 100)) == "jwt-expired"


class TestMoments:
    """Each is judged twice: when the token is new, and when it is remembered."""

    @pytest.fixture
    def fresh(self, clients, clock):
        return Tokens(clients, leeway=10)

    def test_a_token_expires_with_leeway(self, fresh, clock):
        token = bearer(exp=NOW + 100)
        clock[0] = NOW + 109.9
        assert fresh.verify(token)
        clock[0] = NOW + 110
        assert code(fresh, token) == "jwt-expired"
        assert code(fresh, bearer(exp=NOW + 100, jti="another")) == "jwt-expired"

    def test_a_token_starts_with_leeway(self, fresh, clock):
        token = bearer(nbf=NOW + 100)
        clock[0] = NOW + 89.9
        assert code(fresh, token) == "jwt-not-yet-valid"
        assert code(fresh, token) == "jwt-not-yet-valid"
        clock[0] = NOW + 90
        assert fresh.verify(token)

    def test_the_default_leeway_is_a_minute(self, tokens, clock):
        assert tokens.verify(bearer(exp=NOW - 59, nbf=NOW + 60))
        assert code(tokens, bearer(exp=NOW - 60)) == "jwt-expired"
        assert code(tokens, bearer(nbf=NOW + 61)) == "jwt-not-yet-valid"

    def test_a_leeway_of_nothing_is_exact(self, clients, clock):
        exact = Tokens(clients, leeway=0)
        assert exact.verify(bearer(exp=NOW + 1, nbf=NOW))
        assert code(exact, bearer(exp=NOW)) == "jwt-expired"

    @pytest.mark.parametrize("moment", [-(10**30), -1e300, 0, 1])
    def test_a_moment_far_back_is_over(self, tokens, moment):
        assert code(tokens, bearer(exp=moment)) == "jwt-expired"

    @pytest.mark.parametrize("moment", [10**30, 1e300])
    def test_a_moment_far_ahead_has_not_begun(self, tokens, moment):
        assert code(tokens, bearer(nbf=moment)) == "jwt-not-yet-valid"


class TestMaximumAge:
    @pytest.fixture
    def strict(self, clients, clock):
        return Tokens(clients, leeway=10, max_age=100)

    def test_a_token_grows_too_old_while_remembered(self, strict, clock):
        token = bearer(iat=NOW, exp=NOW + 10_000)
        clock[0] = NOW + 110
        assert strict.verify(token)
        clock[0] = NOW + 110.1
        assert code(strict, token) == "jwt-expired"

    def test_a_token_must_say_when_it_was_made(self, strict):
        assert code(strict, bearer(exp=NOW + 50)) == "jwt-expired"

    def test_a_token_from_the_future_is_not_yet_valid(self, strict):
        assert strict.verify(bearer(iat=NOW + 10))
        assert code(strict, bearer(iat=NOW + 10.5)) == "jwt-not-yet-valid"

    @pytest.mark.parametrize(
        ("moment", "refusal"), [(-(10**30), "jwt-expired"), (10**30, "jwt-not-yet-valid")]
    )
    def test_a_huge_moment_is_compared_and_never_added_to(self, strict, moment, refusal):
        assert code(strict, bearer(iat=moment)) == refusal


class TestRememberedTokens:
    @pytest.fixture
    def verifications(self, monkeypatch):
        """The signatures that were really computed."""
        from klanten import tokens

        made = []
        real = tokens._check_signature
        monkeypatch.setattr(
            tokens, "_check_signature", lambda *given: (made.append(given[0]), real(*given))
        )
        return made

    def test_a_token_is_verified_once(self, clients, verifications):
        tokens = Tokens(clients)
        assert tokens.verify(GOOD) is tokens.verify(GOOD)
        assert len(verifications) == 1

    def test_a_refused_token_is_never_remembered(self, clients, verifications):
        tokens = Tokens(clients)
        assert code(tokens, bearer("wrong")) == code(tokens, bearer("wrong"))
        assert len(verifications) == 2

    def test_a_removed_client_is_refused_at_once(self, path):
        tokens = Tokens(Clients(path))
        tokens.verify(GOOD)
        path.write_text("[other]\nsecret = x\n")
        assert code(tokens, GOOD) == "invalid-client-identifier"

    def test_a_changed_secret_counts_at_once(self, path):
        tokens = Tokens(Clients(path))
        tokens.verify(GOOD)
        path.write_text(CLIENTS.replace(SECRET, "new-secret"))
        assert code(tokens, GOOD) == "invalid-jwt-signature"
        assert tokens.verify(bearer("new-secret"))

    def test_a_changed_label_and_changed_scopes_count_at_once(self, path):
        tokens = Tokens(Clients(path))
        tokens.verify(GOOD)
        path.write_text(CLIENTS.replace("scopes = *", "scopes =").replace("= Zaak", "= Nieuw "))
        client = tokens.verify(GOOD).client
        assert client.label == "Nieuw systeem"
        assert client.scopes == frozenset()

    def test_a_file_that_breaks_changes_nothing(self, path, verifications):
        tokens = Tokens(Clients(path))
        tokens.verify(GOOD)
        path.write_text("broken")
        assert tokens.verify(GOOD)
        assert len(verifications) == 1

    def test_their_number_is_bounded_and_the_oldest_goes(self, clients, verifications):
        tokens = Tokens(clients)
        many = [bearer(jti=number) for number in range(1025)]
        for token in many:
            tokens.verify(token)
        del verifications[:]
        for token in many[1:]:
            tokens.verify(token)
        assert verifications == []
        tokens.verify(many[0])
        assert len(verifications) == 1

    def test_a_huge_token_is_not_remembered(self, clients, verifications):
        tokens = Tokens(clients)
        huge = bearer(more="x" * 5000)
        tokens.verify(huge)
        tokens.verify(huge)
        assert len(verifications) == 2

    def test_many_threads_may_verify_while_the_file_changes(self, path):
        tokens = Tokens(Clients(path))
        done = threading.Event()
        outcomes = set()

        def call(number):
            count = 0
            while not done.is_set() or count < 50:
                count += 1
                try:
                    tokens.verify(bearer(jti=number * 1000 + count % 500))
                    outcomes.add("known")
                except Exception as error:
                    outcomes.add(getattr(error, "code", error))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for number in range(50):
            draft = path.with_suffix(".draft")
            draft.write_text(CLIENTS if number % 2 else CLIENTS.replace(SECRET, "other"))
            draft.replace(path)
        done.set()
        for thread in threads:
            thread.join()
        assert outcomes == {"known", "invalid-jwt-signature"}


class TestATokenThatIsMade:
    def test_is_verified_with_all_it_says(self, tokens, clients):
        client = clients.current()["zaaksysteem"]
        token = make_token(client, "u1", "Jan \0 €")
        caller = tokens.verify(f"Bearer {token}")
        assert caller.client is client
        assert (caller.user_id, caller.user_representation) == ("u1", "Jan  €")

    def test_counts_for_ever_or_for_its_lifetime(self, tokens, clients, clock):
        client = clients.current()["short"]  # no warning about its length either
        for_ever = f"Bearer {make_token(client)}"
        for_an_hour = f"Bearer {make_token(client, lifetime=3600)}"
        clock[0] = NOW + 3659
        assert tokens.verify(for_an_hour)
        clock[0] = NOW + 3660
        assert code(tokens, for_an_hour) == "jwt-expired"
        clock[0] = NOW + 10**9
        assert tokens.verify(for_ever)

    def test_carries_its_age(self, clients, clock):
        token = f"Bearer {make_token(clients.current()['short'])}"
        assert Tokens(clients, max_age=10).verify(token)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
CLAIM_NAMES = ["client_id", "exp", "nbf", "iat", "user_id", "user_representation", "aud", "iss"]
CLAIMS = st.dictionaries(st.sampled_from(CLAIM_NAMES), ANY_JSON | st.integers(0, 2 * NOW))


class TestWhateverComesIn:
    """The answer is a caller or a refusal with a code, never another exception."""

    @staticmethod
    def is_judged(tokens, authorization):
        try:
            caller = tokens.verify(authorization)
        except TokenRefused:
            return
        for text in (caller.user_id, caller.user_representation):
            assert len(text.encode()) <= 4 * len(text) <= 4 * 255
            assert "\0" not in text

    @given(st.text(st.characters()))
    def test_any_text(self, tokens, text):
        self.is_judged(tokens, text)
        self.is_judged(tokens, f"Bearer {text}")

    @given(st.binary(), st.binary(), st.binary())
    def test_any_parts(self, tokens, header, payload, signature):
        parts = (base64url(part).decode() for part in (header, payload, signature))
        self.is_judged(tokens, "Bearer " + ".".join(parts))

    @given(ANY_JSON, ANY_JSON)
    def test_any_json(self, tokens, header, payload):
        self.is_judged(tokens, signed(header, payload))

    @given(st.binary())
    def test_any_signed_bytes(self, tokens, payload):
        self.is_judged(tokens, signed({"alg": "HS256"}, payload))

    @given(st.dictionaries(st.sampled_from(["alg", "typ", "crit", "b64", "kid"]), ANY_JSON))
    def test_any_header(self, tokens, header):
        self.is_judged(tokens, signed({"alg": "HS256", **header}, {"client_id": "short"}, "kort"))

    @given(CLAIMS)
    def test_any_claims(self, tokens, claims):
        self.is_judged(tokens, bearer(**claims))

    @pytest.mark.parametrize("depth", [100, 400, 499, 600, 5000])
    def test_any_depth(self, tokens, depth):
        nested = b"[" * depth + b"]" * depth
        payload = b'{"client_id": "zaaksysteem", "user_id": %b}' % nested
        self.is_judged(tokens, signed({"alg": "HS256"}, payload))

    @pytest.mark.parametrize("digits", [19, 20, 309, 4300, 5000, 100_000])
    def test_any_number(self, clients, digits):
        tokens = Tokens(clients, leeway=60.0, max_age=3600.0)
        for name in (b"user_id", b"exp", b"iat", b"client_id"):
            payload = b'{"client_id": "zaaksysteem", "%b": %b}' % (name, b"9" * digits)
            self.is_judged(tokens, signed({"alg": "HS256"}, payload))
