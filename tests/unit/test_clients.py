import logging
import os
import threading
import time
import traceback

import pytest

from klanten.clients import Client, Clients, ClientsError, new_clients_file
from klanten.scopes import Scope

SECRET = "a-secret-that-nobody-can-guess-in-a-lifetime"
LONG_AGO = time.time() - 3600

ONE_CLIENT = f"[zaaksysteem]\nsecret = {SECRET}\nscopes = *\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "clients.ini"
    path.write_text(ONE_CLIENT)
    path.chmod(0o600)
    return path


def read(path, text):
    path.write_text(text)
    return Clients(path).current()


def client_of(path, lines):
    return read(path, f"[c]\nsecret = {SECRET}\n{lines}")["c"]


def refusal(path, text):
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text)
    with pytest.raises(ClientsError) as caught:
        Clients(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message.splitlines()) == 1
    assert "; " in message, "a mend is named after the fault"
    return message


def settle(monkeypatch):
    """Let the present be an hour later, so that the time stamps of files can be trusted."""
    later = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr("klanten.clients.time.time_ns", lambda: later)


class TestWhatAFileSays:
    def test_a_client_has_its_secret_label_and_scopes(self, path):
        clients = read(
            path,
            f"[kiss]\nsecret = {SECRET}\nlabel = KISS klantcontact\n"
            "scopes = klanten.lezen\tklanten.aanmaken\n   audittrails.lezen\n",
        )
        assert clients == {
            "kiss": Client(
                "kiss",
                SECRET,
                "KISS klantcontact",
                frozenset({Scope.LEZEN, Scope.AANMAKEN, Scope.AUDITTRAILS_LEZEN}),
            )
        }

    def test_a_star_gives_every_scope(self, path):
        assert client_of(path, "scopes = *").scopes == frozenset(Scope)

    def test_empty_scopes_give_no_rights(self, path):
        assert client_of(path, "scopes =").scopes == frozenset()

    def test_absent_scopes_leave_the_rights_to_the_autorisaties_api(self, path):
        assert client_of(path, "").scopes is None

    def test_an_absent_label_is_the_client_id(self, path):
        assert client_of(path, "").label == "c"

    def test_a_label_of_control_characters_only_is_the_client_id(self, path):
        assert client_of(path, "label = \0\x07").label == "c"

    def test_a_label_loses_control_characters_and_keeps_200_others(self, path):
        assert client_of(path, "label = a\0b\tc" + "d" * 300).label == "abc" + "d" * 197

    def test_client_ids_are_case_sensitive(self, path):
        clients = read(path, f"[Kiss]\nsecret = {SECRET}\n[kiss]\nsecret = other\n")
        assert clients["Kiss"].secret == SECRET
        assert clients["kiss"].secret == "other"

    def test_a_section_default_is_a_client_and_lends_its_secret_to_nobody(self, path):
        assert read(path, f"[DEFAULT]\nsecret = {SECRET}\n")["DEFAULT"].secret == SECRET
        assert "secret" in refusal(path, f"[DEFAULT]\nsecret = {SECRET}\n[a]\nlabel = A\n")

    def test_nothing_in_a_secret_is_interpolated_or_a_comment(self, path):
        secret = "50%(x)s %% #1; a=b:c \\n é"
        assert read(path, f"[a]\nsecret = {secret}\n")["a"].secret == secret

    def test_a_byte_order_mark_of_an_editor_is_no_fault(self, path):
        path.write_text(ONE_CLIENT, encoding="utf-8-sig")
        assert "zaaksysteem" in Clients(path).current()

    def test_an_empty_file_knows_nobody(self, path):
        assert read(path, "# nobody yet\n") == {}

    def test_what_was_read_cannot_be_changed(self, path):
        clients = Clients(path).current()
        with pytest.raises(TypeError):
            clients["other"] = clients["zaaksysteem"]
        with pytest.raises(AttributeError):
            clients["zaaksysteem"].secret = "other"

    def test_a_secret_does_not_show_when_a_client_is_printed(self, path):
        clients = Clients(path)
        assert SECRET not in repr(clients.current())
        assert SECRET not in repr(vars(clients))


class TestFilesThatAreRefused:
    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ClientsError, match=r"none\.ini: cannot be read \(No such file"):
            Clients(tmp_path / "none.ini")

    def test_a_folder_instead_of_a_file(self, tmp_path):
        with pytest.raises(ClientsError, match="cannot be read"):
            Clients(tmp_path)

    def test_bytes_that_are_no_utf8(self, path):
        assert "UTF-8" in refusal(path, b"[a]\nsecret = caf\xe9\n")

    @pytest.mark.parametrize("lines", ["", "label = A\n", "secret =\n", "secret = \nlabel = A\n"])
    def test_a_client_without_a_secret(self, path, lines):
        assert "section [a], key secret: is missing" in refusal(path, f"[a]\n{lines}")

    def test_a_secret_of_more_than_255_characters(self, path):
        assert read(path, f"[a]\nsecret = {'é' * 255}\n")["a"].secret == "é" * 255
        assert "[a], key secret: is over 255" in refusal(path, f"[a]\nsecret = {'é' * 256}\n")

    def test_a_client_id_of_more_than_50_characters(self, path):
        assert "é" * 50 in read(path, f"[{'é' * 50}]\nsecret = x\n")
        assert "is over 50 characters" in refusal(path, f"[{'é' * 51}]\nsecret = x\n")

    @pytest.mark.parametrize("client_id", [" ", " a", "a ", "a\x07", "\t"])
    def test_a_client_id_that_nobody_could_type(self, path, client_id):
        assert "is no client id" in refusal(path, f"[{client_id}]\nsecret = x\n")

    @pytest.mark.parametrize("before", ["", "[a]\nsecret = x\n"])
    def test_a_section_without_a_name(self, path, before):
        refusal(path, before + "[]\nlabel = A\n")

    def test_an_unknown_key(self, path):
        message = refusal(path, f"[a]\nsecret = {SECRET}\nscope = *\n")
        assert "section [a], key 'scope': is unknown; use secret, label, scopes" in message

    @pytest.mark.parametrize("scopes", ["klanten.schrijven", "klanten.lezen *", "* *", "LEZEN"])
    def test_an_unknown_scope(self, path, scopes):
        message = refusal(path, f"[a]\nsecret = {SECRET}\nscopes = {scopes}\n")
        assert "section [a], key scopes: " in message
        assert scopes.split()[-1] in message
        assert "klanten.lezen, klanten.aanmaken" in message

    @pytest.mark.parametrize("key", ["secret", "label"])
    def test_an_indented_line_that_would_be_swallowed_by_the_one_above(self, path, key):
        message = refusal(path, f"[a]\nsecret = {SECRET}\n\n[b]\n{key} = x\n  scopes = *\n")
        assert f"section [b], key {key}: goes on in an indented line" in message

    def test_a_client_that_is_there_twice(self, path):
        assert "section [zaaksysteem]: is there twice" in refusal(path, ONE_CLIENT + ONE_CLIENT)

    def test_a_key_that_is_there_twice(self, path):
        message = refusal(path, "[a]\nsecret = x\nsecret = y\n")
        assert "section [a], key 'secret': is there twice" in message

    def test_a_key_above_the_first_section(self, path):
        assert "line 2: stands in no section" in refusal(path, f"# mine\nsecret = {SECRET}\n")

    def test_a_line_that_is_neither_key_nor_section(self, path):
        assert "line 3: cannot be read" in refusal(path, f"[a]\nsecret = x\n{SECRET}\n")

    @pytest.mark.parametrize(
        "text",
        [
            "[a]\nsecret {0}\n",
            "[a]\nsecret {0}=\n",
            "[a]\n{0}\n",
            "[a]\n{0}==\n",
            "[a]\n{0}==\n{0}==\n",
            "[a]\nsecret:\n{0}==\n",
            "{0}\n",
            "[a]\nscopes = klanten.lezen\n {0}\n",
            "[a]\nscopes = klanten.lezen\n secret={0}\nsecret = x\n",
            "[a]\nsecret = {0}{0}{0}{0}{0}{0}{0}{0}\n",
            "[a]\nsecret = x\n  {0}\n",
        ],
    )
    def test_a_misplaced_secret_is_never_shown(self, path, text):
        secret = "dGhpcyBpcyBhIGxvbmcgc2VjcmV0IGluIGJhc2U2NA"
        path.write_text(text.format(secret))
        with pytest.raises(ClientsError) as caught:
            Clients(path)
        shown = "".join(traceback.format_exception(caught.value))
        assert secret[:20].lower() not in shown.lower()


class TestAFileThatChanges:
    def test_an_unchanged_file_keeps_its_generation(self, path, monkeypatch):
        settle(monkeypatch)
        clients = Clients(path)
        monkeypatch.setattr("klanten.clients._content", None)  # it is not even read again
        assert clients.current() is clients.current()

    def test_a_changed_secret_counts_at_once(self, path, monkeypatch):
        settle(monkeypatch)
        clients = Clients(path)
        before = clients.current()
        path.write_text(ONE_CLIENT.replace(SECRET, "changed"))
        assert clients.current()["zaaksysteem"].secret == "changed"
        assert before["zaaksysteem"].secret == SECRET, "a request under way keeps what it has"

    def test_a_removed_client_is_unknown_at_once(self, path):
        clients = Clients(path)
        path.write_text(f"[other]\nsecret = {SECRET}\n")
        assert set(clients.current()) == {"other"}

    def test_a_change_within_one_tick_of_the_clock_is_seen(self, path, monkeypatch):
        now = time.time_ns()
        monkeypatch.setattr("klanten.clients._stamp", lambda path: (now, now, 100, 1))
        clients = Clients(path)
        path.write_text(ONE_CLIENT.replace(SECRET, SECRET.upper()))
        assert clients.current()["zaaksysteem"].secret == SECRET.upper()

    def test_a_change_under_the_old_time_and_size_is_seen(self, path, monkeypatch):
        os.utime(path, (LONG_AGO, LONG_AGO))
        settle(monkeypatch)
        clients = Clients(path)
        before = path.stat()
        path.write_text(ONE_CLIENT.replace(SECRET, SECRET.upper()))
        while path.stat().st_ctime_ns == before.st_ctime_ns:
            os.utime(path, (LONG_AGO, LONG_AGO))
        os.utime(path, (LONG_AGO, LONG_AGO))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        assert path.stat().st_size == before.st_size
        assert clients.current()["zaaksysteem"].secret == SECRET.upper()

    def test_a_file_replaced_by_one_of_the_same_age_and_size_is_seen(self, path, monkeypatch):
        os.utime(path, (LONG_AGO, LONG_AGO))
        settle(monkeypatch)
        clients = Clients(path)
        draft = path.with_suffix(".draft")
        draft.write_text(ONE_CLIENT.replace(SECRET, SECRET.upper()))
        os.utime(draft, (LONG_AGO, LONG_AGO))
        draft.replace(path)
        assert clients.current()["zaaksysteem"].secret == SECRET.upper()

    def test_touching_the_file_keeps_the_generation(self, path, caplog):
        clients = Clients(path)
        before = clients.current()
        os.utime(path, (LONG_AGO, LONG_AGO))
        with caplog.at_level(logging.INFO):
            assert clients.current() is before
        assert not caplog.records

    def test_a_change_is_logged(self, path, caplog):
        clients = Clients(path)
        path.write_text(ONE_CLIENT.replace("zaaksysteem", "other"))
        with caplog.at_level(logging.INFO):
            clients.current()
        assert [record.getMessage() for record in caplog.records] == [
            f"{path}: read again, clients in force: 1"
        ]

    def test_a_file_that_is_half_written_is_read_again_when_it_is_whole(self, path):
        clients = Clients(path)
        with path.open("w") as file:
            file.write("[a]\nsecret = abc")
            file.flush()
            assert clients.current()["a"].secret == "abc"
            file.write("def\n")
        assert clients.current()["a"].secret == "abcdef"


class TestAFileThatBreaks:
    @pytest.fixture(params=["settled", "unsettled"], autouse=True)
    def age(self, request, monkeypatch):
        if request.param == "settled":
            settle(monkeypatch)

    def test_a_broken_file_keeps_the_clients_and_is_logged_once_a_change(self, path, caplog):
        clients = Clients(path)
        good = clients.current()
        path.write_text("[a]\n")
        assert all(clients.current() is good for _ in range(5))
        path.write_text("[a]\nsecret = x\nscopes = wrong\n")
        assert all(clients.current() is good for _ in range(5))
        messages = [record.getMessage() for record in caplog.records]
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        assert "section [a], key secret" in messages[0]
        assert "section [a], key scopes" in messages[1]
        assert all("stay in force" in message for message in messages)

    def test_a_vanished_file_keeps_the_clients_and_is_logged_once(self, path, caplog):
        clients = Clients(path)
        good = clients.current()
        path.unlink()
        assert all(clients.current() is good for _ in range(5))
        assert len(caplog.records) == 1
        assert "cannot be read" in caplog.text

    @pytest.mark.parametrize("left", ["", " \n\n"])
    def test_a_file_of_which_nothing_is_left_keeps_the_clients(self, path, caplog, left):
        clients = Clients(path)
        good = clients.current()
        path.write_text(left)
        assert all(clients.current() is good for _ in range(5))
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "is empty" in caplog.text

    def test_a_file_that_says_that_there_are_no_clients_is_believed(self, path):
        clients = Clients(path)
        path.write_text("# nobody, for now\n")
        assert clients.current() == {}

    def test_a_file_put_right_counts_again(self, path):
        clients = Clients(path)
        path.unlink()
        clients.current()
        path.write_text("broken")
        clients.current()
        path.write_text(ONE_CLIENT.replace(SECRET, "new"))
        assert clients.current()["zaaksysteem"].secret == "new"

    def test_a_file_that_becomes_unreadable_is_logged_once(self, path, caplog):
        clients = Clients(path)
        good = clients.current()
        path.unlink()
        path.mkdir()  # a folder: there, but not to be read, for root neither
        assert all(clients.current() is good for _ in range(5))
        assert len(caplog.records) == 1


def test_many_threads_see_a_change_at_once_and_one_generation(path, monkeypatch):
    settle(monkeypatch)
    clients = Clients(path)
    path.write_text(ONE_CLIENT.replace(SECRET, "changed"))
    start = threading.Barrier(16)
    seen = []

    def look():
        start.wait()
        seen.append(clients.current())

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 16
    assert len({id(generation) for generation in seen}) == 1
    assert seen[0]["zaaksysteem"].secret == "changed"


class TestWarnings:
    def test_a_long_secret_in_a_private_file_gives_none(self, path):
        assert Clients(path).warnings() == []

    def test_short_secrets_are_one_line_that_names_the_clients(self, path):
        path.write_text(
            f"[b]\nsecret = {'x' * 31}\n[fine]\nsecret = {'é' * 16}\n[a]\nsecret = short\n"
        )
        (warning,) = Clients(path).warnings()
        assert "32 bytes" in warning
        assert warning.endswith("[a], [b]")
        assert "short\n" not in warning

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_a_file_that_others_can_read_is_one_line_with_the_mend(self, path, mode):
        path.chmod(mode)
        (warning,) = Clients(path).warnings()
        assert warning.endswith(f"chmod 600 {path}")

    def test_both_weaknesses_are_two_lines(self, path):
        path.write_text("[a]\nsecret = short\n")
        path.chmod(0o644)
        assert len(Clients(path).warnings()) == 2

    def test_a_file_without_clients_is_told_and_accepted(self, path):
        path.write_text("")
        (warning,) = Clients(path).warnings()
        assert warning == f"{path}: no clients: nobody can do anything"


class TestANewFile:
    @pytest.fixture
    def new(self, tmp_path):
        return tmp_path / "new.ini"

    def test_is_private_and_holds_one_client_with_every_scope(self, new):
        client = new_clients_file(new, "demo", "Proefklant")
        assert Clients(new).current() == {"demo": client}
        assert client.label == "Proefklant"
        assert client.scopes == frozenset(Scope)
        assert Clients(new).warnings() == []

    def test_has_another_secret_each_time(self, tmp_path):
        one = new_clients_file(tmp_path / "1.ini", "demo", "")
        other = new_clients_file(tmp_path / "2.ini", "demo", "")
        assert one.secret != other.secret

    def test_never_replaces_one_that_is_there(self, path):
        with pytest.raises(FileExistsError):
            new_clients_file(path, "demo", "")
        assert path.read_text() == ONE_CLIENT

    @pytest.mark.parametrize(
        ("client_id", "label"),
        [("", ""), ("x" * 51, ""), ("a]\n[b", ""), ("a", "x\nscopes = klanten.lezen")],
    )
    def test_is_not_made_when_it_could_not_be_read(self, new, client_id, label):
        with pytest.raises(ClientsError):
            new_clients_file(new, client_id, label)
        assert not new.exists()


def test_every_scope_is_explained():
    explanations = [scope.explanation for scope in Scope]
    assert all(explanation.endswith(".") for explanation in explanations)
    assert len(set(explanations)) == len(Scope)
