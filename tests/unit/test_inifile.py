"""Files with secrets."""

import os

import pytest

from klanten import inifile


@pytest.mark.parametrize(
    ("mode", "of_us", "of_another"),
    [
        (0o600, False, False),
        # as a secret of Kubernetes is, and as root lets one service read
        (0o440, True, False),
        (0o640, True, False),
        (0o660, True, True),
        (0o444, True, True),
        (0o604, True, True),
    ],
)
def test_a_file_of_another_may_be_read_by_our_group(tmp_path, monkeypatch, mode, of_us, of_another):
    path = tmp_path / "clients.ini"
    path.touch()
    path.chmod(mode)
    assert inifile.others_can_read(path) == of_us
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert inifile.others_can_read(path) == of_another
