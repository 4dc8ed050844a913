"""What ``envdoctor diff A B`` and ``envdoctor check lock:h100 venv:.venv`` do once their words are known. Imports late."""

from __future__ import annotations


def run_diff(a: str, b: str, *, form: str, output: str | None, strict: bool, data: str | None, verbose: bool) -> int:
    """Compare two targets and print what differs; gives the exit status. Raises UserError."""
    import os  # noqa: PLC0415

    from envdoctor import session  # noqa: PLC0415

    with session.start(a) as first, session.start(b) as second:
        from envdoctor.compare import compare  # noqa: PLC0415 - both probes are at work meanwhile
        from envdoctor.overlay import opened  # noqa: PLC0415

        matrix = opened(data, os.environ)
        facts = session.facts_of(first, matrix), session.facts_of(second, matrix)
    difference = compare(*facts, matrix)

    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.difference import document, render  # noqa: PLC0415

    page = Page(color=wants_color(output), width=width(output), verbose=verbose, notes=session.passed_over(matrix))
    emit(document(difference) if form == "json" else render(difference, page), output, exact=form == "json")
    if not difference.same:
        return 1
    return 3 if strict and difference.untold else 0
