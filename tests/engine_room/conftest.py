"""What needs a real engine is not started by a plain ``pytest``; the rest replays what real engines said."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socketserver
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.engine import client
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envdoctor.engine.client import Engine

HERE = Path(__file__).parent
WHY = "needs a real container engine; run with `make engine`"
Say = dict[str, Any]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = "engine" in config.getoption("markexpr")
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("engine") is not None and not chosen:
            item.add_marker(pytest.mark.skip(reason=WHY))


class _Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def answers(name: str) -> Say:
    """What a real engine answered, by path: docker 26.1.5 with each of its stores, and podman 4.3.1."""
    recorded = json.loads((HERE / "answers" / f"{name}.json").read_text())
    return {"/version": recorded["version"], "/info": recorded["info"]}


@pytest.fixture
def replayed(tmp_path: Path) -> Iterator[Callable[[Say], str]]:
    """Starts an engine that answers what it is given; its address."""
    servers: list[_Unix] = []

    def start(says: Say, name: str = "engine.sock") -> str:
        class Answering(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path.startswith("/v1."):
                    path = path[path.index("/", 1) :]
                body = json.dumps(says.get(path, {"message": f"No such image: {path}"})).encode()
                self.send_response(200 if path in says else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

            def address_string(self) -> str:
                return "here"

        path = str(tmp_path / name)
        server = _Unix(path, Answering)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"unix://{path}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The real engine of DOCKER_HOST."""
    if not os.environ.get("DOCKER_HOST"):
        pytest.skip("no engine is named: export DOCKER_HOST=unix:///path/to/docker.sock")
    with contextlib.ExitStack() as stack:
        try:
            one = stack.enter_context(client.connect(os.environ))
        except UserError as error:
            pytest.skip(f"DOCKER_HOST has no engine: {error.what}")
        yield one


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of this machine's own shell and its libraries: 5 MB, no registry asked."""
    root = tmp_path_factory.mktemp("root")
    for name in ("sh", "cat", "head", "sleep", "wc", "touch", "yes", "id", "env"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"this machine has no {name}")
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout.split()
        for path in {one for one in listed if one.startswith("/")}:
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(path), place)
        (root / "bin").mkdir(exist_ok=True)
        shutil.copy(os.path.realpath(found), root / "bin" / name)
    return root
