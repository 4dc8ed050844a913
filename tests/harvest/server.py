"""A package index on 127.0.0.1 that lives in memory, can be told to misbehave, and remembers what it was asked."""

from __future__ import annotations

import hashlib
import html
import json
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HTML, JSON = "text/html", "application/vnd.pypi.simple.v1+json"
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Asked(NamedTuple):
    """One request: its path, and the Range it had."""

    path: str
    range: str | None


class Listed(NamedTuple):
    """A file as a project's page lists it."""

    name: str
    href: str
    attributes: dict[str, Any]
    """Of PEP 691, hashes left out."""
    hashes: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    """Answers GET for an :class:`Index`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Serve a page or a file, unless a manner has been set for it."""
        index = self.server.index
        index.begins(Asked(self.path, self.headers.get("Range")), self.headers.get("Authorization"))
        try:
            manner = index.manners.get(self.path)
            if manner is not None and manner(self):
                return
            found = index.content(self.path)
            if found is None:
                self.say(404, b"no such thing")
            elif self.path.endswith("/") or self.headers.get("Range") is None:
                self.say(200, found[0], {"Content-Type": found[1]})
            else:
                self.part(found[0])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has read enough
        finally:
            index.ends()

    def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """One whole answer; a Content-Length in ``headers`` is believed."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, whole: bytes) -> None:
        """The range that was asked for."""
        found = RANGE.fullmatch(self.headers["Range"])
        assert found is not None, self.headers["Range"]
        first = int(found[1]) if found[1] else max(0, len(whole) - int(found[2]))
        last = min(int(found[2]), len(whole) - 1) if found[1] and found[2] else len(whole) - 1
        if first > last:
            self.say(416, b"", {"Content-Range": f"bytes */{len(whole)}"})
            return
        self.say(206, whole[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(whole)}"})

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


Manner: TypeAlias = "Callable[[Handler], bool]"
"""How a path misbehaves: answers and gives True, or gives False to let it be served."""


class Server(ThreadingHTTPServer):
    """The listening socket; counts its connections."""

    daemon_threads = True
    index: Index

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self.index.connects(+1)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        self.index.connects(-1)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away


class Index:
    """What is served: pages under /simple/, files under /files/."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Listed]] = {}
        self.files: dict[str, bytes] = {}
        self.manners: dict[str, Manner] = {}
        self.json = True
        self.asked: list[Asked] = []
        self.authorizations: set[str | None] = set()
        self.most_at_once = self.most_connections = 0
        self._at_once = self._connections = 0
        self._lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.index = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    @property
    def root(self) -> str:
        """http://127.0.0.1:PORT."""
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        """The address of the simple index."""
        return f"{self.root}/simple"

    def begins(self, asked: Asked, authorization: str | None) -> None:
        """Remember a request."""
        with self._lock:
            self.asked.append(asked)
            self.authorizations.add(authorization)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def ends(self) -> None:
        """A request has been answered."""
        with self._lock:
            self._at_once -= 1

    def connects(self, change: int) -> None:
        """A connection was made or ended."""
        with self._lock:
            self._connections += change
            self.most_connections = max(self.most_connections, self._connections)

    def add(
        self,
        project: str,
        name: str,
        content: bytes,
        *,
        metadata: bytes | None = None,
        hashed: bool = True,
        href: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """List a file on a project's page and serve it; gives its path. ``metadata`` is served beside it (PEP 658)."""
        path, more = f"/files/{project}/{name}", dict(attributes or {})
        self.files[path] = content
        if metadata is not None:
            self.files[f"{path}.metadata"] = metadata
            more = {"core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}} | more
        hashes = {"sha256": hashlib.sha256(content).hexdigest()} if hashed else {}
        listed = self.pages.setdefault(project, [])
        listed[:] = [one for one in listed if one.name != name]
        listed.append(Listed(name, href or f"../../files/{project}/{name}", more, hashes))
        return path

    def remove(self, project: str, name: str) -> None:
        """List a file no longer."""
        self.pages[project] = [one for one in self.pages[project] if one.name != name]

    def content(self, path: str) -> tuple[bytes, str] | None:
        """What lies at a path, and its type."""
        if path in self.files:
            return self.files[path], "application/octet-stream"
        project = path.removeprefix("/simple/").rstrip("/")
        if path != f"/simple/{project}/" or project not in self.pages:
            return None
        listed = self.pages[project]
        return (as_json(project, listed), JSON) if self.json else (as_html(listed), HTML)

    def paths(self) -> list[str]:
        """The paths that were asked for since the last call."""
        found = [one.path for one in self.asked]
        self.asked.clear()
        return found

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def as_json(project: str, listed: list[Listed]) -> bytes:
    """A page by PEP 691."""
    files = [{"filename": one.name, "url": one.href, "hashes": one.hashes, **one.attributes} for one in listed]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files}).encode()


def as_html(listed: list[Listed]) -> bytes:
    """A page by PEP 503."""
    lines = []
    for one in listed:
        attributes = {}
        if one.attributes.get("requires-python"):
            attributes["data-requires-python"] = one.attributes["requires-python"]
        if one.attributes.get("yanked"):
            attributes["data-yanked"] = ""
        if "core-metadata" in one.attributes:
            said = one.attributes["core-metadata"]
            attributes["data-core-metadata"] = "true" if said is True else f"sha256={said['sha256']}"
        text = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
        anchor = f"#sha256={one.hashes['sha256']}" if one.hashes else ""
        lines.append(f'<a href="{html.escape(one.href)}{anchor}"{text}>{html.escape(one.name)}</a><br>')
    return ("<!DOCTYPE html><html><body>" + "\n".join(lines) + "</body></html>").encode()


# --- manners


def whole(handler: Handler) -> bool:
    """Serves the whole file whatever range is asked for."""
    found = handler.server.index.content(handler.path)
    assert found is not None
    handler.say(200, found[0])
    return True


def chunked(handler: Handler) -> bool:
    """Serves the whole file, and does not say how long it is."""
    found = handler.server.index.content(handler.path)
    assert found is not None
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(found[0]), found[0]))
    return True


def saying(status: int, body: bytes = b"", **headers: str) -> Manner:
    """Always this answer. ``Content_Range`` is the header Content-Range."""

    def manner(handler: Handler) -> bool:
        handler.say(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return manner


def busy(times: int, status: int = 503) -> Manner:
    """Says so often that it is busy, then serves."""
    left = [times]

    def manner(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        handler.say(status, b"busy")
        return True

    return manner


def broken_off(after: int) -> Manner:
    """Announces the whole of what is asked for and closes the connection after so many bytes."""

    def manner(handler: Handler) -> bool:
        found = handler.server.index.content(handler.path)
        assert found is not None
        body, wanted = found[0], handler.headers.get("Range")
        handler.close_connection = True
        if wanted is None:
            handler.say(200, body[:after], {"Content-Length": str(len(body))})
        else:
            first = max(0, len(body) - int(wanted[7:])) if wanted.startswith("bytes=-") else int(wanted[6:].split("-")[0])
            last = len(body) - 1 if wanted.startswith("bytes=-") else min(int(wanted.split("-")[1]), len(body) - 1)
            length = {"Content-Length": str(last - first + 1), "Content-Range": f"bytes {first}-{last}/{len(body)}"}
            handler.say(206, body[first : last + 1][:after], length)
        return True

    return manner


def endless(handler: Handler) -> bool:
    """A body that never ends."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    with suppress(OSError):
        while True:
            handler.wfile.write(b"<a>x</a>" * 8192)
    return True


def hanging_up(handler: Handler) -> bool:
    """Closes the connection without an answer."""
    handler.close_connection = True
    return True
