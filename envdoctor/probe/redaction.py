"""What the document must not carry, taken out of every string of it: credentials, and the names of people.

A document holds thousands of strings, few with anything to take out: "in" is over ten times as fast as a pattern that fails.
"""

import os
import re

from .machine import Missing, Trouble

# these are compiled when a document first needs them (0.2 to 0.5 ms each): most documents need none
# after "scheme://": "user:password@" or "token@"; a password may hold "/" and "@", an address after it ends at the next "/"
USERINFO = r"(?:[^\s/@:]*:[^\s@]*|[^\s/@:]*)(?:@[^\s/@]*)*@"
# the forms that the issuers document: GitHub, Hugging Face, OpenAI and Anthropic, GitLab, AWS, Slack
TOKENS = (
    r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|hf_[A-Za-z0-9]{16,}|sk-[\w-]{0,40}?[A-Za-z0-9_]{16,}[\w-]*"
    r"|glpat-[\w-]{16,}|AKIA[A-Z0-9]{12,}|xox[a-z]-[\w-]{10,})"
)
TOKEN_MARKS = ("gh", "github_pat_", "hf_", "sk-", "glpat-", "AKIA", "xox")  # one of them is in each
SHORTEST_TOKEN = 15
IDENTIFIER = r"(?<![0-9a-z])[0-9a-f]{32,64}(?![0-9a-z])"  # of containers and pods, in the paths of control groups
# wherever the site keeps them: /home/x, /mnt/nfs/home/x
OTHER_HOMES = r"(/(?:home|Users))/(?!\$?USER\b)[^/\s:\"']+"
# a user called nvidia or torch must not change the paths that the rules read
SHARED = r"/(?:usr|proc|sys|dev|etc|lib|lib64|bin|sbin|boot)/|\S*/(?:site|dist)-packages/"


def redacted(node, homes, users=()):
    """The document without credentials and without the names of people.

    ``homes`` (the user's home folder by each of its names) become ``~``, folders named like one of ``users`` become
    ``$USER`` (a command still works when it is pasted), and other people's homes lose their names. Bytes of file names
    that are not UTF-8 become "?": JSON cannot carry them.
    """
    own = sorted({home.rstrip("/") for home in homes if home.rstrip("/")}, key=len, reverse=True)
    ours = re.compile(r"(?<![\w.-])(?:%s)(?![\w.-])" % "|".join(map(re.escape, own)))
    people = sorted(users)
    named = r"(?<=/)(?:%s)(?![\w@+~=-]|\.\w)" % "|".join(map(re.escape, people))

    def clean(text):
        if "://" in text and "@" in text:
            text = without_credentials(text)
        for mark in TOKEN_MARKS:
            if mark in text:
                text = re.sub(TOKENS, "TOKEN", text)
                break
        if "/" not in text:
            return text
        for home in own:
            if home in text:
                text = ours.sub("~", text)
                break
        for name in people:
            if name in text:
                text = personal(text)
                break
        if "/sys/fs/cgroup/" in text:
            text = re.sub(IDENTIFIER, "ID", text)
        return re.sub(OTHER_HOMES, r"\1/USER", text) if "/home/" in text or "/Users/" in text else text

    def personal(text):
        return re.sub(named, lambda found: found.group() if is_shared(text, found.start()) else "$USER", text)

    def walk(value):
        if isinstance(value, str):
            if not value.isascii():
                value = value.encode("utf-8", "replace").decode("utf-8")
            # most are short words: names, versions, fields
            return clean(value) if len(value) >= SHORTEST_TOKEN or "/" in value else value
        if isinstance(value, dict):
            return {walk(key): walk(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(one) for one in value]
        return value

    return walk(node)


def without_credentials(text):
    """The text with what stands between "://" and the host of each address cut out."""
    first, *rest = text.split("://")
    return "://".join([first] + [without_userinfo(part) for part in rest])


def without_userinfo(address):
    """What follows "://", from the host on."""
    # matched at the start only: a search from every place would be quadratic
    found = re.match(USERINFO, address)
    return address[found.end() :] if found else address


def is_shared(text, place):
    """Whether the path around ``place`` is one that every machine has, before that place."""
    start = max(text.rfind(mark, 0, place) for mark in " :;,\"'=\n") + 1
    return re.match(SHARED, text[start:place]) is not None


def homes_of(machine):
    """The home folder as it is set, and with its links followed."""
    home = machine.environ.get("HOME", "")
    return (home, machine.realpath(home)) if home else ()


def users_of(machine):
    """The names of the user, to be taken out of paths; root is no one's name."""
    names = {machine.environ.get(key, "") for key in ("USER", "LOGNAME")} - {""}
    if not names and machine.live:
        names = {name_in_passwd(machine, os.getuid())}
    return {name for name in names if len(name) > 1 and name != "root"}


def name_in_passwd(machine, number):
    """The name of the user of that number, "" if it has none; not asked of the name service, which may hang."""
    try:
        lines = machine.text("/etc/passwd").splitlines()
    except (Missing, Trouble):
        return ""
    return next((line.split(":")[0] for line in lines if line.split(":")[2:3] == [str(number)]), "")
