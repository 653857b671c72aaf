"""A homeserver that sends no key that it need not send: answers of `documents`, over the real client."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from twisted.internet.defer import Deferred, succeed

from bridge.events import Enter, RoomId
from tests.transports.matrix.documents import ALL, ANSWERS, GHOST, Document, full, member, omissions
from tests.transports.matrix.homeserver import ROMEO, Scene
from transports.matrix.client import Homeserver
from transports.matrix.http_connection import Answer

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
GARDEN = RoomId("!garden:hs.example")


class SparseHttp:
    """Answers everything in full; `leave_out` says of which path what is left out."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._without: dict[str, Document] = {}

    def leave_out(self, pattern: str, document: Document) -> None:
        """Answer with this document in place of the full one."""
        self._without[pattern] = document

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Deferred[Answer]:
        path = unquote(urlsplit(url).path) if "/state/" in url else urlsplit(url).path
        self.asked.append((method, path))
        if "/media/thumbnail/" in path:
            return succeed(Answer(200, PNG))
        return succeed(Answer(200, json.dumps(self._answer(method, path)).encode()))

    def _answer(self, method: str, path: str) -> Any:
        for asked, pattern, document in ANSWERS:
            if asked == method and re.search(f"{pattern}$", path):
                answer = self._without.get(pattern, full(document))
                is_state = pattern.endswith("/state")
                return [*answer, full(member(GHOST, "join"))] if is_state else answer
        return {}

    def close(self) -> Deferred[None]:
        return succeed(None)


def sparse(pattern: str = "", document: Document = None) -> tuple[Scene, SparseHttp]:
    """Have Romeo in the garden of a homeserver that answers a question by this document."""
    scene, http = Scene(), SparseHttp()
    if pattern:
        http.leave_out(pattern, document)
    scene.server = Homeserver("http://hs.example", "token", http, scene.reactor, lambda: 0.5)  # type: ignore[assignment, arg-type]
    scene.start()
    scene.network.submit(ROMEO, Enter(room=GARDEN, nick="Romeo"))
    scene.turn(1)
    return scene, http


def cases(documents: Mapping[str, Document]) -> list[tuple[str, str, Document]]:
    """Return each document with what is left out of it, for parameters of a test."""
    return [
        (name, omitted, left) for name, document in documents.items() for omitted, left in omissions(document)
    ]


__all__ = ["ALL", "GARDEN", "SparseHttp", "cases", "sparse"]
