"""The dashboards, one module each; a module with a ``PAGE`` is one."""

from __future__ import annotations

import importlib
import pkgutil

from dashboards.model import Page


def pages() -> tuple[Page, ...]:
    """Every dashboard, in the order of the modules' names."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(module.PAGE for module in modules if hasattr(module, "PAGE"))
