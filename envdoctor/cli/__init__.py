"""The command line: one command a file, no logic."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys


def main() -> None:
    """Run, and turn every way of failing into a clear line and the right exit status."""
    gc.disable()  # a short life that makes few cycles: collecting costs more than it frees
    try:
        status = guarded()
    except KeyboardInterrupt:  # before there was anything to guard, or just behind it
        status = 130
    # what is left is to hand over what was said
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            status = status or 2
    # taking the interpreter down in order costs a twentieth of a check and nobody would see the difference
    os._exit(status)


def guarded() -> int:
    """Run the command; gives the exit status."""
    from envdoctor.errors import UserError  # noqa: PLC0415 - start-up time, here and below
    from envdoctor.wording import harmless  # noqa: PLC0415

    # a killed check must end its probe too, as an interrupted one does
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return command()
    except UserError as wrong:
        return refused("\n".join(map(harmless, (wrong.what, wrong.hint, *wrong.more))))
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except OSError as error:
        return lost_output(error)
    except Exception as error:  # noqa: BLE001 - a bug is a result too, not a stack trace
        return 130 if interrupted(error) else bug(error)


def interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt is behind it: libraries make other errors of one that meets them at work."""
    for _ in range(20):
        if error is None or isinstance(error, KeyboardInterrupt):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt)


def command() -> int:
    """Run what the command line asks for."""
    if plain(sys.argv[1:]) and "_ENVDOCTOR_COMPLETE" not in os.environ:
        from envdoctor.cli.checking import run_check  # noqa: PLC0415

        return run_check(next(iter(sys.argv[2:]), None))
    from envdoctor.cli.group import run  # noqa: PLC0415

    return run()


def refused(text: str) -> int:
    """Say what is wrong with the usage or the input; gives the exit status."""
    from envdoctor.cli.output import tell  # noqa: PLC0415

    tell(f"envdoctor: {text}\n")
    return 2


def lost_output(error: OSError) -> int:
    """A reader that went away (`| head`) has what it wanted; a full disk is said; anything else is our bug."""
    if error.errno == errno.ENOSPC:
        return refused("standard output cannot be written: no space left on device\nMake room, or write elsewhere.")
    if error.errno != errno.EPIPE:
        return bug(error)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def bug(error: BaseException) -> int:
    """Say that envdoctor itself failed; gives the exit status."""
    from envdoctor.cli.bug import describe  # noqa: PLC0415
    from envdoctor.cli.output import tell  # noqa: PLC0415

    tell(describe(error) + "\n")
    return 4


def plain(words: list[str]) -> bool:
    """``check`` or ``check TARGET``, the commonest command lines: there is nothing to parse, and click need not be loaded."""
    return words[:1] == ["check"] and len(words) <= 2 and not any(word.startswith("-") for word in words)  # noqa: PLR2004
