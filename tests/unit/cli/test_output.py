"""What every command prints."""

import os

import pytest

from klanten.cli.output import say


@pytest.mark.parametrize("as_json", [True, False])
def test_the_name_of_a_file_that_is_no_utf_8_is_printed_as_well_as_can_be(capsys, as_json):
    path = os.fsdecode(b"b\xc3\xab\xff")
    say({"backup": path}, path, as_json)
    assert "bë\ufffd" in capsys.readouterr().out
