"""A Klanten API 1.0.0 on Pyramid and ZODB."""
