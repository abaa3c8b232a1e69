"""schemathesis on the published OAS document: it finds what the API does and the OAS does not say.

What it may find, and why, is written down in openapi_exceptions.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import make_person
from tests.servers import Server

HERE = Path(__file__).parent
EXAMPLES = 60


class AnySubject:
    """Stands in for the check of a subject: no test asks strangers on the internet."""

    def exists(self, url: str) -> bool:
        return True


@pytest.fixture
def report(app, server: Server, tmp_path: Path) -> str:
    """What schemathesis printed at the end of all its phases."""
    app.app.registry.subject_check = AnySubject()
    klant = server.request("POST", "/klanten", make_person()).json
    [regel] = server.request("GET", klant["url"] + "/audittrail").json
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "openapi_exceptions",
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        "FUZZ_KLANT_UUID": klant["url"].rpartition("/")[2],
        "FUZZ_UUID": regel["uuid"],
    }
    command = [
        *(str(Path(sys.executable).with_name("st")), "run"),
        server.root + "/schema/openapi.json",
        *("--header", f"Authorization: {server.headers['Authorization']}"),
        *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--continue-on-failure"),
        "--no-color",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert server.answers()
    return done.stdout + done.stderr


def test_schemathesis_finds_nothing_but_the_exceptions(report):
    phases = re.findall(r"^  (\S+) (Examples|Coverage|Fuzzing|Stateful)$", report, re.MULTILINE)
    assert [name for _, name in phases] == ["Examples", "Coverage", "Fuzzing", "Stateful"], report
    assert "Failures:" not in report, report
    assert "Errors:" not in report, report
    tested = re.search(r"Tested: (\d+)", report)
    assert tested is not None, report
    assert int(tested[1]) == 8
