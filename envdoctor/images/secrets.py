"""What a build must know and no image may keep: a CA bundle, the addresses of package indexes. Handed in as build secrets."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.resolver import Index

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


@contextlib.contextmanager
def handed(index: Index, ca_bundle: str | None, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Secret id -> file, for as long as the context lasts; the files are the user's only and are deleted after.

    Args:
        index: where packages come from; what it leaves open is taken from uv's and pip's variables.
        ca_bundle: PEM file of the certificates to trust; None takes the one that the environment names.
        environ: of this process.

    Raises:
        UserError: the CA bundle cannot be read.
    """
    found: dict[str, str] = {}
    bundle = ca_bundle or next((environ[name] for name in CA_VARIABLES if os.path.isfile(environ.get(name, ""))), None)
    if bundle is not None:
        if not os.path.isfile(bundle) or not os.access(bundle, os.R_OK):
            raise UserError(
                f"the CA bundle {bundle} cannot be read", "Give a PEM file: --ca-bundle /etc/ssl/certs/ca-certificates.crt"
            )
        found["ca"] = os.path.abspath(bundle)
    default = index.default or next((environ[name] for name in INDEX_VARIABLES if environ.get(name)), None)
    with tempfile.TemporaryDirectory(prefix="envdoctor-secrets-") as folder:
        if default or index.extra:
            found["uv"] = _written(os.path.join(folder, "uv.toml"), _uv(default, index.extra))
            found["pip"] = _written(os.path.join(folder, "pip.conf"), _pip(default, index.extra))
        yield found


def _written(path: str, text: str) -> str:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _uv(default: str | None, extra: tuple[str, ...]) -> str:
    import tomlkit  # noqa: PLC0415 - only where an index is named

    rows = [{"url": one} for one in extra] + ([{"url": default, "default": True}] if default else [])
    # every file is checked by its hash, so it does not matter which index has it
    return tomlkit.dumps({"index-strategy": "unsafe-best-match", "index": rows})


def _pip(default: str | None, extra: tuple[str, ...]) -> str:
    import configparser  # noqa: PLC0415
    import io  # noqa: PLC0415

    config = configparser.RawConfigParser()
    config["global"] = {
        **({"index-url": default} if default else {}),
        **({"extra-index-url": "\n".join(extra)} if extra else {}),
    }
    text = io.StringIO()
    config.write(text)
    return text.getvalue()
