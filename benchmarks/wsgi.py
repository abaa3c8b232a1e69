"""The application for servers that want a module: that of the ini file in BENCHMARK_INI."""

import os

from pyramid.paster import get_app, setup_logging

setup_logging(os.environ["BENCHMARK_INI"])
application = get_app(os.environ["BENCHMARK_INI"])
