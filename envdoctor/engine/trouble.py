"""What engines and buildx say when something fails, as one sentence and the command that mends it.

Two tables, since the same words mean other things in other places: ``connection refused`` from the engine is about a registry,
inside a RUN line it is about that line's own downloads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.errors import UserError
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from envdoctor.engine.client import Engine

MAX_MORE = 30
"""Lines of an engine's own words that follow the hint."""
MAX_LINE = 300
MAX_READ = 4000
MAX_TEXT = 256 * 1024
MAX_CAUSES = 8


class Trouble(NamedTuple):
    """One row: the words, what they mean, what to do. ``{name}`` in the latter two is a group of the pattern."""

    pattern: str
    what: str
    hint: str


CA_HINT = "Give the proxy's certificates: --ca-bundle FILE (it reaches the RUN lines as a secret and leaves no trace)."
ENGINE_CA = (
    "Its engine must trust the proxy too: put its certificate into /usr/local/share/ca-certificates/, then "
    "sudo update-ca-certificates && sudo systemctl restart docker; what runs inside the build gets it by --ca-bundle FILE."
)
ROOM = "Make room where the engine keeps its data: docker system df; docker builder prune; docker image prune"
NVIDIA_RUNTIME = (
    "Install nvidia-container-toolkit and register it: "
    "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
)
RESTART = "Then: sudo systemctl restart docker."
CONTAINERD_STORE = f'put {{"features": {{"containerd-snapshotter": true}}}} into /etc/docker/daemon.json. {RESTART}'

ENGINE: tuple[Trouble, ...] = (
    Trouble(
        r"is not a docker command|unknown command: docker buildx|unknown shorthand flag: '.' in -",
        "the docker command here has no buildx",
        "Install it: sudo apt-get install docker-buildx-plugin (Docker's own packages) or docker-buildx (Debian, Ubuntu).",
    ),
    Trouble(
        r"(?i)(?:OCI|docker) exporter is not supported for the docker driver",
        "this engine keeps images in its old store, which cannot write OCI archives, so no build of it is bit-reproducible",
        f"Switch its store: {CONTAINERD_STORE}",
    ),
    Trouble(
        r"unknown scheme oci-layout",
        "this engine keeps images in its old store, which takes no OCI layout as a base",
        f"Name a base that the engine has or can pull, or switch its store: {CONTAINERD_STORE}",
    ),
    Trouble(
        r"docker-import-\d+/blobs/json: no such file|does not contain a manifest\.json|loading tar component manifest\.json",
        "this engine's old store reads no OCI archives",
        f"Switch its store: {CONTAINERD_STORE}",
    ),
    Trouble(
        r'rewrite-timestamp"? conflicts with',
        "this exporter of the engine cannot rewrite the times of files, which a reproducible image needs",
        "Build to an OCI archive and load that.",
    ),
    Trouble(
        r"(?i)no space left on device|disk quota exceeded",
        "the disk is full",
        ROOM,
    ),
    Trouble(
        r"could not select device driver \"\" with capabilities: \[\[gpu\]\]",
        "the engine cannot hand out GPUs: the NVIDIA Container Toolkit is not installed, or not registered with it",
        NVIDIA_RUNTIME,
    ),
    Trouble(
        r"CDI device injection failed|unresolvable CDI devices",
        "the engine has no description of a GPU (CDI): none was generated, or the driver has changed since",
        "Generate it: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
    ),
    Trouble(
        r"unknown or invalid runtime name: nvidia",
        "the engine does not know the nvidia runtime",
        NVIDIA_RUNTIME,
    ),
    Trouble(
        r"nvidia-container-cli: (?:initialization error|detection error|requirement error|mount error)[^\n]*",
        "the NVIDIA Container Toolkit found the driver and could not use it",
        "Look at the driver of this machine first: envdoctor check; nvidia-smi",
    ),
    Trouble(
        r"x509: certificate signed by unknown authority|failed to verify certificate",
        "a proxy or registry shows a certificate that is not trusted here",
        ENGINE_CA,
    ),
    Trouble(
        r"server gave HTTP response to HTTPS client",
        "the registry speaks plain HTTP, and the engine only talks HTTPS to it",
        f'Put {{"insecure-registries": ["HOST:PORT"]}} into /etc/docker/daemon.json. {RESTART}',
    ),
    Trouble(
        r"toomanyrequests|429 Too Many Requests",
        "the registry answers that too much was asked of it",
        "Log in (docker login REGISTRY), or wait for an hour, or use a mirror: --base MIRROR/IMAGE@sha256:...",
    ),
    Trouble(
        r"(?:pull|push) access denied|insufficient_scope|(?i:unauthorized)|denied: requested access|no basic auth credentials"
        r"|401 Unauthorized",
        "the registry does not let this user in, or there is no such repository",
        "Check the name, and log in: docker login REGISTRY",
    ),
    Trouble(
        r"(?<!permission )\bdenied: |403 Forbidden",
        "the registry refuses it to this user",
        "Log in as somebody who may: docker login REGISTRY",
    ),
    Trouble(
        r"manifest unknown|MANIFEST_UNKNOWN|no match for platform in manifest|(?m:^(?:ERROR: )?[^\s\"]{1,500}: not found$)"
        r"|failed to resolve reference \"[^\"]+\": [^\s]+: not found",
        "the registry has no such image: no such tag or digest, or none for this architecture",
        "See what there is: docker buildx imagetools inspect REPOSITORY:TAG",
    ),
    Trouble(
        r"lookup \S+(?: on \S+)?: (?:no such host|server misbehaving|i/o timeout)|Temporary failure in name resolution",
        "the name of the registry cannot be resolved, so it is out of reach",
        "Check the name and the network; offline, give a local base: --base oci-layout:///path/to/layout",
    ),
    Trouble(
        r"dial tcp \S*: (?:connect: )?(?:connection refused|i/o timeout|no route to host|network is unreachable)"
        r"|TLS handshake timeout|proxyconnect tcp|net/http: request canceled",
        "the registry does not answer",
        "Start it, or check the network and the proxy of the engine: docker info --format '{{.HTTPSProxy}}'",
    ),
    Trouble(
        r"No such image|tag does not exist|image not known|unable to find image"
        r"|image .{1,300} was found but does not match the specified platform",
        "the engine has no such image",
        "See what it has: docker image ls; or fetch it: docker pull IMAGE",
    ),
    Trouble(
        r"exec: \"(?P<program>[^\"]{1,200})\": permission denied",
        "the user of the image may not run {program}",
        "Look at its files only: --no-run",
    ),
    Trouble(
        r"exec: \"(?P<program>[^\"]{1,200})\": (?:stat|executable file not found)"
        r"|crun: executable file [`'](?P<other>[^`']{1,200})[`'] not found",
        "the image has no program {program}",
        "Give the environment's folder in it: image:REFERENCE::/opt/venv; or look at its files only: --no-run",
    ),
    Trouble(
        r"(?i)conflict: unable to (?:remove|delete)|image is being used by|image used by",
        "a container is still made from it",
        "See which: docker ps -a --filter ancestor=IMAGE; remove that: docker rm -f CONTAINER",
    ),
    Trouble(
        r"(?i)exec format error",
        "the image is for another kind of processor than this machine's",
        "Look at its files only: --no-run",
    ),
    Trouble(
        r"path not found|failed to stat|could not lock \S+index\.json\.lock|no such file or directory: unknown layout",
        "a file or folder that the build was given is not there",
        "Check the paths of --base oci-layout://..., --ca-bundle and --wheel-cache.",
    ),
    Trouble(
        r"(?i)client version [\d.]+ is too (?:new|old)|API versions below|client API version",
        "this engine is too old, or too new, for the library that talks to it",
        "Update Docker: sudo apt-get update && sudo apt-get install --only-upgrade docker-ce docker-ce-cli docker-buildx-plugin",
    ),
    Trouble(
        r"(?i)client sent an HTTP request to an HTTPS server|CERTIFICATE_VERIFY_FAILED|certificate required"
        r"|client_cert param|tls: (?:bad certificate|first record does not look)",
        "the engine wants TLS, and the certificates for it are missing or wrong",
        "Set all three: export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=~/.docker DOCKER_HOST=tcp://HOST:2376",
    ),
    Trouble(
        r"newuidmap|newgidmap|potentially insufficient UIDs|no subuid ranges",
        "the rootless engine has too few user ids to unpack this image",
        "Give it some: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER, then restart the engine.",
    ),
    Trouble(
        r"(?i)permission denied while trying to connect|PermissionError\(13|dial unix \S+: connect: permission denied",
        "this user may not use the engine (permission denied on its socket)",
        "Join its group and log in again: sudo usermod -aG docker $USER; or run this once with sudo.",
    ),
    Trouble(
        r"Failed to resolve '",
        "the host that DOCKER_HOST, or the docker context, names cannot be found",
        "Check the name, or take the usual engine: unset DOCKER_HOST; docker context use default",
    ),
    Trouble(
        r"Cannot connect to the Docker daemon|Connection refused|FileNotFoundError\(2|Connection aborted|Connection reset|EOF\Z",
        "the engine does not answer",
        "Look at it: sudo systemctl status docker; its log: sudo journalctl -u docker -n 50",
    ),
    Trouble(
        r"(?i)read timed out|context deadline exceeded",
        "the engine gave no answer in time",
        "See what it is busy with: docker ps; docker system df; its log: sudo journalctl -u docker -n 50",
    ),
)
"""What the engine, or buildx in its name, complains of."""

INSIDE: tuple[Trouble, ...] = (
    Trouble(r"(?i)no space left on device", "the disk is full", ROOM),
    Trouble(
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|x509: certificate|SSL certificate problem|UnknownIssuer"
        r"|Certificate verification failed",
        "a proxy shows a certificate that is not trusted inside the build",
        CA_HINT,
    ),
    Trouble(
        r"Temporary failure in name resolution|Temporary failure resolving|Could not resolve|dns error|Name or service not known",
        "inside the build no name can be resolved",
        'Give the engine a name server ({"dns": ["IP"]} in /etc/docker/daemon.json), or build offline: --wheel-cache DIR',
    ),
    Trouble(
        r"THESE PACKAGES DO NOT MATCH THE HASHES|Hash mismatch",
        "the index serves other bytes than those that the lock pins",
        "Nothing of them was installed. Ask a trusted index, or make the lock anew: envdoctor lock",
    ),
    Trouble(
        r"MemoryError|\bexit code: 137\b|Cannot allocate memory",
        "it was killed, most likely because the memory is full",
        "Give the machine more memory, or the engine fewer jobs at a time.",
    ),
)
"""What a RUN line complains of, in its own output."""

PODMAN = Trouble(
    "",
    "podman has no BuildKit, which a reproducible image needs",
    "Build with Docker 26 or newer (export DOCKER_HOST=unix:///var/run/docker.sock); checking images works with podman.",
)
_BLOCK = re.compile(r"^------\n > (?P<name>[^\n]*?):?\n(?P<lines>.*?)^------$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"did not complete successfully: (?P<exit>exit code: \d+|[^\n]{1,80})")
_STAMP = re.compile(r"^\d+\.\d+ ")
_COUNTER = re.compile(r"^\[[^\]]*\] ")
_NOISE = re.compile(r"#\d+ |-{6,}$|\d{3} (?:Client|Server) Error")
"""Progress of steps, rulers, and what HTTP says of an answer whose words stand beside it."""
_ADDRESS = re.compile(
    r"(?<![a-z0-9+.-])(?!unix://|oci-layout://|https://docs\.docker\.com/)[a-z][a-z0-9+.-]*://[^\s\"'<>)]+", re.IGNORECASE
)
_RESOLVED = re.compile(r"(?<=lookup )\S+(?: on \S+)?(?=: )")
_DIALLED = re.compile(r"(?<=dial tcp )\S+(?=: )")
_SECRET = re.compile(r"(?i)\b(bearer|basic)(\s+)[^\s,;]{12,}|\b(token|password|passwd|secret)(\s*[:=]\s*)[^\s,;]{6,}")


def told(error: Exception | str, engine: Engine | None = None, *, doing: str) -> UserError:
    """The error as a sentence with its remedy.

    Args:
        error: of the docker SDK, or what buildx or the daemon wrote.
        engine: that it came from, where there is one.
        doing: what was being done, as it follows "could not": "build the image".

    Returns:
        The error to raise; its further lines are the engine's own words, without addresses.
    """
    text = _text(error)[-MAX_TEXT:]
    failed = _failed_step(text)
    if failed is not None:
        return _told_step(text, failed, doing)
    for row in ENGINE:
        found = re.search(row.pattern, text)
        if found is not None:
            names = {key: value for key, value in found.groupdict().items() if value} if found.groupdict() else {}
            program = harmless(next(iter(names.values()), "that was asked for"))
            what = row.what.replace("{program}", program)
            return UserError(f"could not {doing}: {what}", row.hint, *_more(text.splitlines()))
    if engine is not None and engine.podman and doing.startswith("build"):
        return UserError(f"could not {doing}: {PODMAN.what}", PODMAN.hint, *_more(text.splitlines()))
    lines = _more(text.splitlines())
    # buildx ends with what it is about, an error of the engine begins with it
    which = next((one for one in reversed(lines) if one.startswith("ERROR")), None) or (lines or ["it said nothing"])[0]
    return UserError(
        f"could not {doing}: {which.removeprefix('ERROR: ')}",
        "The engine's own words are all that is known; its log may say more: sudo journalctl -u docker -n 50",
        *(one for one in lines if one != which),
    )


def clean(line: str) -> str:
    """A line of somebody else's, harmless and without addresses, host names and credentials."""
    bare = _SECRET.sub(r"\1\2\3\4<secret>", _ADDRESS.sub("<address>", line[:MAX_READ].replace("\t", "    ")))
    return harmless(_DIALLED.sub("<address>", _RESOLVED.sub("<host>", bare)))[:MAX_LINE]


def _told_step(text: str, failed: re.Match[str], doing: str) -> UserError:
    """A step of the Dockerfile failed: which one, how, and what it had printed."""
    lines = [_STAMP.sub("", line) for line in failed["lines"].splitlines()]
    name = clean(_COUNTER.sub("", failed["name"]))
    ended = _EXIT.search(text)
    how = clean(ended["exit"]).replace("exit code: ", "exit status ") if ended else "it failed"
    inside = "\n".join((*lines, ended["exit"] if ended else ""))
    for row in INSIDE:
        if re.search(row.pattern, inside):
            return UserError(f"could not {doing}: {row.what} ({how}: {name})", row.hint, *_more(lines))
    return UserError(
        f"could not {doing}: {name} failed ({how})",
        "What it printed last stands below; what was done before it is in the cache, so a second run begins there.",
        *_more(lines),
    )


def _failed_step(text: str) -> re.Match[str] | None:
    """The output of the RUN line that failed, if one did; other steps (a registry, an exporter) have words of their own."""
    if not _EXIT.search(text):
        return None
    return next(iter(_BLOCK.finditer(text)), None)


def _text(error: Exception | str) -> str:
    """All that an error has to say, with what caused it."""
    if isinstance(error, str):
        return error
    parts, one = [], error
    for _ in range(MAX_CAUSES):
        # an APIError keeps the daemon's words apart from the HTTP status
        explanation = getattr(one, "explanation", None)
        parts.append(explanation if isinstance(explanation, str) and explanation else str(one))
        cause = one.__cause__ or one.__context__
        if not isinstance(cause, Exception):
            break
        one = cause
    return "\n".join(dict.fromkeys(reversed(parts)))


def _more(lines: list[str]) -> list[str]:
    """The last lines, cleaned; progress of steps that went well is left out."""
    told_lines = [clean(line.rstrip()) for line in lines if line.strip() and not _NOISE.match(line)]
    return told_lines[-MAX_MORE:]
