"""Alembic's script directory; shipped in the package so that an installed program can migrate."""
