"""Grafana's HTTP API as its administrator."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from base64 import b64encode
from dataclasses import dataclass


@dataclass(frozen=True)
class Api:
    """A running Grafana."""

    url: str
    password: str

    @property
    def headers(self) -> dict[str, str]:
        """What a request must carry."""
        return {"Authorization": "Basic " + b64encode(f"admin:{self.password}".encode()).decode()}

    def get(self, path: str, **query: str) -> object:
        """The answer's JSON; an error of HTTP is raised."""
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers=self.headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
