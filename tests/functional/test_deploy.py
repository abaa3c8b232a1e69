"""The examples in deploy/: nginx in front of two processes on PostgreSQL, as an operator has it."""

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import trustme
import yaml

from klanten.settings import Settings
from tests.conftest import bearer
from tests.factories import make_klant
from tests.ports import free_port
from tests.servers import ANSWER_SECONDS
from tests.storages.servers import Postgres

DEPLOY = Path(__file__).parents[2] / "deploy"
INI = """\
[app:main]
use = egg:klanten
{settings}

[server:main]
use = egg:klanten
listen = 127.0.0.1:{port}
threads = 4
url_prefix = /klanten
trusted_proxy = 127.0.0.1
trusted_proxy_headers = x-forwarded-for x-forwarded-host x-forwarded-proto
clear_untrusted_proxy_headers = true
"""


@dataclass
class Site:
    """nginx with TLS in front of processes of the API."""

    folder: Path
    settings: dict[str, str]
    authority: trustme.CA
    port: int = field(default_factory=free_port)
    backends: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def root(self) -> str:
        return f"https://localhost:{self.port}/klanten/api/v1"

    def start_backend(self, number: int) -> subprocess.Popen[bytes]:
        port = self.backends[number]
        ini = self.folder / f"{port}.ini"
        lines = "\n".join(
            f"{name} = {value.replace('%', '%%')}" for name, value in self.settings.items()
        )
        ini.write_text(INI.format(settings=lines, port=port))
        command = [str(Path(sys.executable).with_name("pserve")), str(ini)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        wait_for(f"http://127.0.0.1:{port}/readyz")
        return process

    def start_nginx(self) -> None:
        """The example, with the names and ports of this test."""
        text = (DEPLOY / "nginx" / "klanten.conf").read_text()
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        for old, new in zip((8081, 8082), self.backends, strict=True):
            text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
        certificate = self.authority.issue_cert("localhost")
        for name, blob in (
            ("pem", certificate.cert_chain_pems[0]),
            ("key", certificate.private_key_pem),
        ):
            blob.write_to_path(self.folder / f"site.{name}")
            text = re.sub(
                rf"/etc/ssl/klanten.example.nl.{name}", str(self.folder / f"site.{name}"), text
            )
        text = text.replace("klanten.example.nl", "localhost")
        conf = self.folder / "nginx.conf"
        paths = "\n".join(
            f"{name}_temp_path {self.folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(
            f"daemon off; pid {self.folder}/nginx.pid; error_log stderr;\n"
            f"events {{}}\nhttp {{ access_log off; {paths}\n{text} }}"
        )
        command = ["nginx", "-p", str(self.folder), "-c", str(conf)]
        self.processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        wait_for(f"https://localhost:{self.port}/klanten/", str(self.folder / "ca.pem"))

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.folder / "ca.pem")
        session.headers["Authorization"] = bearer("all")
        return session


def wait_for(url: str, verify: str | bool = True) -> None:
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(url, verify=verify, timeout=ANSWER_SECONDS)
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing answers at {url}")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, settings: dict[str, str], postgres: Postgres) -> Iterator[Site]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    uri = postgres.new_database(f"site{free_port()}")
    site = Site(tmp_path, settings | {"zodbconn.uri": uri}, authority)
    try:
        site.start_backend(0)
        site.start_backend(1)
        site.start_nginx()
        yield site
    finally:
        for process in site.processes:
            process.terminate()
        for process in site.processes:
            process.wait(ANSWER_SECONDS)


@pytest.mark.program("nginx")
def test_the_api_behind_nginx_is_that_of_one_site(site: Site) -> None:
    session = site.session()
    created = session.post(f"{site.root}/klanten", json=make_klant())
    url = created.json()["url"]
    assert url.startswith(f"{site.root}/klanten/")
    assert created.headers["Location"] == url
    # the processes take turns: both make the same of one klant
    answers = [session.get(url) for _ in range(6)]
    assert {answer.content for answer in answers} == {created.content}
    tags = {answer.headers["ETag"] for answer in answers}
    assert len(tags) == 1
    assert session.get(url, headers={"If-None-Match": tags.pop()}).status_code == 304
    head = session.head(url)
    assert (head.headers["Content-Length"], head.content) == (str(len(created.content)), b"")
    expecting = session.post(
        f"{site.root}/klanten", json=make_klant(), headers={"Expect": "100-continue"}
    )
    assert expecting.status_code == 201
    assert session.get(f"{site.root}/openapi.json").json()["servers"] == [{"url": site.root}]
    listed = session.get(f"{site.root}/klanten").json()["results"]
    assert all(klant["url"].startswith(site.root) for klant in listed)
    forged = session.get(url, headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=e"})
    assert forged.json()["url"] == url
    moved = session.get(url.replace("/klanten/api", "/oud/api"), allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (301, url)
    for name in ("metrics", "readyz"):
        assert session.get(f"https://localhost:{site.port}/klanten/{name}").status_code == 404


@pytest.mark.program("nginx")
def test_a_rolling_restart_under_load_loses_no_request(site: Site) -> None:
    statuses: list[int] = []
    end = threading.Event()

    def load() -> None:
        session = site.session()
        while not end.is_set():
            created = session.post(f"{site.root}/klanten", json=make_klant())
            statuses.append(created.status_code)
            if created.status_code == 201:
                statuses.append(session.get(created.json()["url"]).status_code)

    callers = [threading.Thread(target=load) for _ in range(4)]
    for caller in callers:
        caller.start()
    for number in (0, 1):
        site.processes[number].send_signal(signal.SIGTERM)
        assert site.processes[number].wait(ANSWER_SECONDS) == 0
        site.start_backend(number)
    end.set()
    for caller in callers:
        caller.join()
    assert len(statuses) > 20
    assert set(statuses) == {200, 201}


@pytest.mark.program("systemd-analyze")
def test_systemd_knows_every_directive_of_the_units(tmp_path: Path) -> None:
    programs = str(Path(sys.executable).parent)
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/klanten/bin", programs)
        (tmp_path / unit.name).write_text(text)
    units = ("klanten@8081.service", "klanten@8081.socket", "klanten-backup.timer")
    names = [str(tmp_path / unit) for unit in (*units, "klanten-backup.service")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if str(tmp_path) in line] == []
    assert done.returncode == 0, done.stderr


def test_the_backup_runs_after_the_pack_and_as_the_user_of_the_service() -> None:
    timer = (DEPLOY / "systemd" / "klanten-backup.timer").read_text()
    packed = Settings.read({"zodbconn.uri": "memory://", "klanten.clients": "c.ini"}).pack_at
    assert packed is not None
    assert f"OnCalendar=*-*-* {packed.hour + 1:02}:{packed.minute:02}\n" in timer
    server, backup = (
        (DEPLOY / "systemd" / f"{name}.service").read_text().partition("NoNewPrivileges")
        for name in ("klanten@", "klanten-backup")
    )
    assert "\nUser=klanten\n" in server[0]
    assert "\nUser=klanten\n" in backup[0]
    assert server[2].partition("\n\n")[0].strip() == backup[2].strip()


def test_the_examples_can_be_read() -> None:
    for path in ("docker/compose.yaml", "kubernetes/klanten.yaml"):
        assert list(yaml.safe_load_all((DEPLOY / path).read_text()))
    unit = (DEPLOY / "systemd" / "klanten@.service").read_text()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "User=klanten"):
        assert line in unit
