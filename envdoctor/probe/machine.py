"""The only doors from the probe to the world: ``read``, ``listdir``, ``realpath``, ``space`` and ``run``.

With another ``root`` the same probe reads a recorded machine (a folder of files plus ``commands.json``), which is how
tests replay real machines, or an unpacked image (RootFolder). No link leads out of such a root. Leaves are plain dicts
here; their typed form is in envdoctor/facts.py.
"""

import errno
import json
import os
import selectors
import signal
import stat
import subprocess
import threading
import time

DEADLINE_S = 5.0
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_OUTPUT_BYTES = 1024 * 1024
PIPE_BYTES = 64 * 1024
# how long output may still come when the program itself has ended and a process that it left behind holds the pipe
DRAIN_S = 0.2
# how long a program that is being started is waited for, so that it can be killed: on a busy machine that takes a moment
START_S = 0.5
NOTICE_S = 0.02  # such an end shows on no pipe, so it is looked for this often
# a FIFO or a terminal in the place of a file must neither wait for a writer nor become ours
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
NOT_A_FILE = "is not a regular file"
MAX_LINKS = 40  # as the kernel
NOT_TOLD = "a root folder does not tell this"


def known(value, via):
    """A leaf that was observed, and where."""
    return {"is": "known", "value": value, "via": via}


def unknown(why):
    """A leaf that was not observed, and why."""
    return {"is": "unknown", "why": why}


def value_of(leaf):
    """The value of a known leaf, else None."""
    return leaf["value"] if leaf.get("is") == "known" else None


class Missing(Exception):
    """The file or program is not there: often an answer in itself."""


class Trouble(Exception):
    """It is there but gives no answer; the message says why, in words for the user."""


class Machine:
    """The machine under ``root``; for a recorded one, ``commands`` maps "argv joined by spaces" to recorded results."""

    at_rest = False
    hidden = ()

    def __init__(self, root="/", environ=None, commands=None):
        self.root = root.rstrip("/") or "/"
        self.environ = dict(os.environ) if environ is None else dict(environ)
        self.commands = commands
        self._real = {}  # of folders that files were asked for in: nothing changes in a root while it is looked at
        self._children = set()
        self._starting = 0  # programs that run already, perhaps, and are in no list yet
        self._over = False
        self._lock = threading.Lock()

    @classmethod
    def recorded(cls, folder):
        """A machine recorded under ``folder``: files at their own paths, environ.json and commands.json beside them."""

        def table(name):
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                return {}
            with open(path, encoding="utf-8") as handle:
                return json.load(handle)

        return cls(os.path.join(folder, "root"), table("environ.json"), table("commands.json"))

    @property
    def live(self):
        """Whether this is the machine we run on, and not a recorded one."""
        return self.commands is None

    def at(self, path):
        """Where our own process finds an absolute path of this machine: under another root, with every link followed.

        Raises OSError for a loop of links, which our kernel would follow out of the root.
        """
        return self._inside(path)

    def read(self, path, limit=MAX_FILE_BYTES):
        """Bytes of a file, at most ``limit``. Raises Missing or Trouble."""
        # descriptors, not file objects: a check reads some 700 small files, and those cost twice as much
        try:
            handle = open_file(self._inside(path))
            try:
                data = part = os.read(handle, limit)
                while part and len(data) < limit:
                    part = os.read(handle, limit - len(data))
                    data += part
            finally:
                os.close(handle)
            return data
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(path + " does not exist")
        except OSError as error:
            raise Trouble(reason(path, error))

    def text(self, path, limit=MAX_FILE_BYTES):
        """Text of a file; bytes that are not UTF-8 are replaced. Raises Missing or Trouble."""
        return self.read(path, limit).decode("utf-8", "replace")

    def exists(self, path):
        """Whether the path leads to something (a dead or looping link does not)."""
        try:
            return os.path.exists(self._inside(path))
        except OSError:
            return False

    def is_folder(self, path):
        """Whether the path leads to a folder."""
        try:
            return os.path.isdir(self._inside(path))
        except OSError:
            return False

    def listdir(self, path):
        """Sorted names in a folder. Raises Missing or Trouble."""
        try:
            return sorted(os.listdir(self._inside(path)))
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(path + " does not exist")
        except OSError as error:
            raise Trouble("%s: %s" % (path, error.strerror or error))

    def realpath(self, path):
        """The path with all links followed, as this machine names it; a looping link stays as it is."""
        if self.root == "/":
            return os.path.realpath(path)
        try:
            return self._followed(path)
        except OSError:
            return path

    def space(self, path):
        """(size, free for the user) in bytes of the file system under ``path``. Raises Missing or Trouble.

        A recorded machine has them in /recorded/space.json: {path: [size, free]}.
        """
        if not self.live:
            recorded = self.table("/recorded/space.json").get(path)
            if recorded is None:
                raise Missing(path + " does not exist")
            return tuple(recorded)
        try:
            found = os.statvfs(path)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(path + " does not exist")
        except OSError as error:
            raise Trouble("%s: %s" % (path, error.strerror or error))
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize

    def table(self, path):
        """The JSON object in a file of a recorded machine, for what no file of a live one holds. Raises Missing or Trouble."""
        return json.loads(self.text(path))

    def _inside(self, path):
        """Where to open ``path``: an absolute link leads to its place under the root, never out of it. Raises OSError."""
        return path if self.root == "/" else self.root + self._followed(path)

    def _followed(self, path):
        """The path under another root with every link followed. Raises OSError for a loop of links, and for what is hidden."""
        folder, _, name = path.rpartition("/")
        if folder not in self._real:
            self._real[folder] = self._walked("/", folder)
        return self._walked(self._real[folder], name)

    def _walked(self, done, path):
        """Where ``path`` leads from the folder ``done``, which is a real one."""
        rest, links = path.split("/"), 0
        while rest:
            part = rest.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                done = os.path.dirname(done)
                continue
            step = os.path.join(done, part)
            if step in self.hidden:
                raise OSError(errno.EACCES, NOT_TOLD)
            if not os.path.islink(self.root + step):
                done = step
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = os.readlink(self.root + step)
            done = "/" if target.startswith("/") else done
            rest = target.split("/") + rest
        return done

    def run(self, argv, seconds=DEADLINE_S, stdin=None, env=None):
        """Run a program: (exit status, stdout, stderr) as text. Whatever is left of its process group is killed at the end.

        Raises Missing (no such program) or Trouble ("no answer in 5 s", "printed more than 1 MiB", could not start).
        """
        if self.commands is not None:
            recorded = self.commands.get(" ".join(argv))
            if recorded is None:
                raise Missing(argv[0] + " is not on PATH")
            if recorded.get("hangs"):
                raise Trouble("%s: no answer in %g s" % (argv[0], seconds))
            return recorded.get("status", 0), recorded.get("stdout", ""), recorded.get("stderr", "")
        with self._lock:
            if self._over:
                raise Trouble("%s was not started: the probe is over" % argv[0])
            self._starting += 1
        child = None
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError):
            if "/" in argv[0] and os.path.exists(argv[0]):
                raise Trouble("%s could not be started: the interpreter that its first line names is missing" % argv[0])
            raise Missing(argv[0] + " is not on PATH")
        except OSError as error:
            raise Trouble("%s could not be started: %s" % (argv[0], error.strerror or error))
        finally:
            with self._lock:
                self._starting -= 1
                if child is not None:
                    self._children.add(child)
        try:
            out, err = conversation(child, stdin, seconds, argv[0])
        finally:
            kill(child)
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    pipe.close()
            with self._lock:
                self._children.discard(child)
        return child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def kill_children(self):
        """Kill what still runs; called when the whole probe is out of time. Nothing is started after it.

        What is just being started is waited for a moment: one that hangs there (a file system that does not answer) runs nothing yet.
        """
        until = time.monotonic() + START_S
        killed = set()
        while True:
            with self._lock:
                self._over = True
                children, starting = self._children - killed, self._starting
            for child in children:
                kill(child)
            killed |= children
            if not starting or time.monotonic() > until:
                return
            time.sleep(0.005)


class RootFolder(Machine):
    """A root that lies in a folder (an unpacked image, a chroot). Nothing of it runs.

    It has no environment but what an image's configuration would give it. What a kernel shows is hidden: in a chroot these
    folders hold what our own kernel says, and devices do things when opened.
    """

    at_rest = True
    hidden = ("/proc", "/sys", "/dev")

    def __init__(self, root, environ=None):
        super().__init__(root, environ or {}, {})

    def space(self, path):  # noqa: ARG002 - as of every machine
        """Raises Trouble: the file system under the folder is not the one that the image will run on."""
        raise Trouble(NOT_TOLD)

    def table(self, path):  # noqa: ARG002
        """Raises Trouble: what lies in /recorded of an image is no record."""
        raise Trouble(NOT_TOLD)


def open_file(path):
    """A descriptor of a regular file, or of a folder (which then says so when it is read). Never waits. Raises OSError."""
    # a device may do something when it is only opened; so it is asked before, and again what was really opened
    if not is_plain(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, NOT_A_FILE)
    descriptor = os.open(path, READ_FLAGS)
    if not is_plain(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NOT_A_FILE)
    return descriptor


def is_plain(mode):
    """Whether it is a regular file or a folder."""
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def reason(path, error):
    """The words for an OSError at ``path``."""
    if error.strerror == NOT_A_FILE:
        return "%s %s" % (path, NOT_A_FILE)
    return "%s: %s" % (path, error.strerror or error)


def conversation(child, stdin, seconds, name):
    """(stdout, stderr) in bytes of a program that was started; it has ended then. Raises Trouble.

    Its own end counts, not that of its pipes: a daemon that it left behind may hold them open for ever.
    """
    until = time.monotonic() + seconds
    got = {child.stdout: bytearray(), child.stderr: bytearray()}
    unsent = stdin or b""
    ended = False
    with selectors.DefaultSelector() as pipes:
        for pipe in got:
            pipes.register(pipe, selectors.EVENT_READ)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            pipes.register(child.stdin, selectors.EVENT_WRITE)
        while pipes.get_map():
            if not ended and child.poll() is not None:
                ended, until = True, min(until, time.monotonic() + DRAIN_S)
            left = until - time.monotonic()
            if left <= 0:
                break
            for key, _events in pipes.select(min(left, NOTICE_S)):
                if key.fileobj is child.stdin:
                    unsent = sent(child.stdin, unsent)
                    done = not unsent
                else:
                    part = os.read(key.fd, PIPE_BYTES)
                    got[key.fileobj] += part
                    done = not part
                if done:
                    pipes.unregister(key.fileobj)
                    key.fileobj.close()
            if max(map(len, got.values())) > MAX_OUTPUT_BYTES:
                raise Trouble("%s printed more than %d MiB" % (name, MAX_OUTPUT_BYTES // 1024 // 1024))
    try:
        child.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Trouble("%s: no answer in %g s" % (name, seconds))
    return bytes(got[child.stdout]), bytes(got[child.stderr])


def sent(pipe, data):
    """What is left of ``data`` when the pipe has taken what it can; nothing when nobody reads it."""
    try:
        return data[os.write(pipe.fileno(), data) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""


def kill(child):
    """SIGKILL the child's process group; a child in an uninterruptible wait is left to the kernel, not waited for."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:  # most often nothing is left of it
        pass
    until = time.monotonic() + 0.2
    while child.poll() is None and time.monotonic() < until:
        time.sleep(0.01)


def fill(out, key, observe):
    """Set ``out[key]`` to what ``observe()`` returns (a leaf); what it raises becomes an Unknown with the reason."""
    try:
        out[key] = observe()
    except (Missing, Trouble) as error:
        out[key] = unknown(str(error))
    except Exception as error:  # a bug or a strange machine must not cost the other leaves
        out[key] = unknown("the probe failed here: %s: %s" % (type(error).__name__, error))
