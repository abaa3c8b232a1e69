"""The examples in deploy/: a proxy in front of two processes on PostgreSQL, as sites have it."""

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
    """A proxy with TLS in front of processes of the API."""

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

    def start(self, proxy: str) -> None:
        """Two processes, and the example of a proxy with the names and ports of this test."""
        self.start_backend(0)
        self.start_backend(1)
        certificate = self.authority.issue_cert("localhost")
        self.write("site.key", certificate.private_key_pem.bytes())
        self.write("site.crt", certificate.cert_chain_pems[0].bytes())
        self.write("site.pem", certificate.private_key_and_cert_chain_pem.bytes())
        command = PROXIES[proxy](self)
        self.processes.append(subprocess.Popen(command))
        wait_for(f"https://localhost:{self.port}/klanten/", str(self.folder / "ca.pem"))

    def write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def example(self, path: str, changes: dict[str, str]) -> str:
        """An example, with the ports of this test, and after these changes."""
        text = (DEPLOY / path).read_text()
        backends = {
            f"127.0.0.1:{theirs}": f"127.0.0.1:{ours}"
            for theirs, ours in zip((8081, 8082), self.backends, strict=True)
        }
        for old, new in (backends | changes).items():
            assert old in text
            text = text.replace(old, new)
        return text

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.folder / "ca.pem")
        session.headers["Authorization"] = bearer("all")
        return session


def nginx(site: Site) -> list[str]:
    """The command that runs it, with its example."""
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{site.port} ssl",
        "/etc/ssl/klanten.example.nl.pem": str(site.folder / "site.crt"),
        "/etc/ssl/klanten.example.nl.key": str(site.folder / "site.key"),
        "klanten.example.nl": "localhost",
    }
    paths = "\n".join(
        f"{name}_temp_path {site.folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = (
        f"daemon off; pid {site.folder}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; client_body_buffer_size 2m; {paths}\n"
        f"{site.example('nginx/klanten.conf', changes)} }}"
    )
    return ["nginx", "-p", str(site.folder), "-c", site.write("nginx.conf", conf.encode())]


def haproxy(site: Site) -> list[str]:
    """The command that runs it, with its example."""
    changes = {
        "bind :443": f"bind 127.0.0.1:{site.port}",
        "/etc/ssl/klanten.example.nl.pem": str(site.folder / "site.pem"),
    }
    conf = site.example("haproxy/haproxy.cfg", changes)
    return ["haproxy", "-db", "-f", site.write("haproxy.cfg", conf.encode())]


PROXIES = {proxy.__name__: proxy for proxy in (nginx, haproxy)}
behind_each = pytest.mark.parametrize(
    "site", [pytest.param(name, marks=pytest.mark.program(name)) for name in PROXIES], indirect=True
)


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
def site(
    tmp_path: Path, settings: dict[str, str], postgres: Postgres, request: pytest.FixtureRequest
) -> Iterator[Site]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    uri = postgres.new_database(f"site{free_port()}")
    site = Site(tmp_path, settings | {"zodbconn.uri": uri}, authority)
    try:
        site.start(request.param)
        yield site
    finally:
        for process in site.processes:
            process.terminate()
        for process in site.processes:
            process.wait(ANSWER_SECONDS)


@behind_each
def test_the_api_behind_a_proxy_is_that_of_one_site(site: Site) -> None:
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
    for place in (url, f"{site.root}/klanten/%3Fx?page=1&emailadres=j%40example.nl"):
        moved = session.get(place.replace("/klanten/api", "/oud/api"), allow_redirects=False)
        assert (moved.status_code, moved.headers["Location"]) == (301, place)
    for name in ("metrics", "healthz", "readyz", "%72eadyz"):
        assert session.get(f"https://localhost:{site.port}/klanten/{name}").status_code == 404
    own = "0123456789abcdef0123456789abcdef"
    for given in ({"X-Request-ID": own}, {}):
        told = session.get(url, headers=given).headers["X-Request-ID"].replace("-", "")
        assert (told == own) == bool(given)
    assert session.get(f"https://localhost:{site.port}/klanten").status_code == 200
    assert session.get(f"https://localhost:{site.port}/elsewhere").status_code == 404


@behind_each
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
    # it hides /proc/stat, and with that the figures process_* of /metrics
    assert "ProcSubset" not in unit


def test_prometheus_watches_the_processes_that_the_proxies_have() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    [target] = prometheus["scrape_configs"][0]["static_configs"]
    for proxy in ("nginx/klanten.conf", "haproxy/haproxy.cfg"):
        text = (DEPLOY / proxy).read_text()
        assert re.findall(r"^ +server (?:\w+ )?([\d.:]+)", text, re.M) == target["targets"]
