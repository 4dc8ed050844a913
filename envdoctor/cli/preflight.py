"""``envdoctor preflight``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import suppositions
from envdoctor.cli.complete import targets as completed

FORMATS = (
    "terminal", "json", "markdown", "html", "junit", "sarif", "github", "gitlab", "dotenv", "nagios", "prometheus",
)  # fmt: skip
PROFILE = (
    "The GPU that the job is for: h100, b200 ... Another one fails; where there is none, the rules judge as if it were there."
)
BUDGET = "Time for all of it: 90s, 5m. What does not end within it is broken off, and then nothing passes."
REQUIRE = "What must be there, by comma: gpu,trl,vllm or 'gpu>=8,driver>=550,vllm==0.33.0'. Repeatable."
SMOKE = "Also train a tiny model by GRPO (reinforcement learning) for up to a minute: the last and dearest step."
STATIC = "Run nothing of the target: Dockerfiles, rules and versions only. About a second."
LOCK = "Hold the environment against this lock: h100 or a path."
DOCKERFILE = "Judge this Dockerfile [those in the working folder]. Repeatable."
SUPPOSE = "Judge as if: gpu=h100, driver=580.65.06 ... For a CI machine that is not the one that trains. Repeatable."
PRICE = "What the node costs: 24/h, '$24/h', '0.40 EUR/min'."
BASELINE = "An earlier report (json): what it has found is known, only what is new fails, and what changed is told."
REPORT = "Also write the report to FILE (- is standard output), in this format: {}. Repeatable."
NODES = "Judge the nodes that this file names, one a line or as Slurm writes them: node[01-16]."
VIA = "With --nodes: the command that runs something on a node [ssh]; {host} stands for its name, else it is put last."
PARALLEL = "With --nodes: so many at a time."
DEADLINE = "With --nodes: a node that has not answered by then has failed."
OUT = "With --nodes: the folder for failing_nodes.txt and passing_nodes.txt [the working folder]."

ONE_MACHINE = (
    "budget", "smoke", "lock", "dockerfiles", "suppose", "price", "baseline",
)  # fmt: skip
"""Options of a preflight of one machine; on many nodes nothing is run, and the lock and the Dockerfiles are not theirs."""
MANY_NODES = ("via", "parallel", "node_deadline", "nodes_out")
CALLED = {"dockerfiles": "--dockerfile", "node_deadline": "--node-deadline", "nodes_out": "--nodes-out"}


@click.command()
@click.argument("target", required=False, type=click.Path(), shell_complete=completed)
@click.option("--profile", metavar="NAME", help=PROFILE)
@click.option("--budget", default="5m", show_default=True, metavar="TIME", help=BUDGET)
@click.option("--require", "required", multiple=True, metavar="NAMES", help=REQUIRE)
@click.option("--smoke", is_flag=True, help=SMOKE)
@click.option("--static", is_flag=True, help=STATIC)
@click.option("--lock", metavar="LOCK", help=LOCK)
@click.option("--dockerfile", "dockerfiles", multiple=True, metavar="FILE", type=click.Path(), help=DOCKERFILE)
@click.option("--suppose", multiple=True, metavar="NAME=VALUE", shell_complete=suppositions, help=SUPPOSE)
@click.option("--price", metavar="PRICE", help=PRICE)
@click.option("--baseline", metavar="FILE", type=click.Path(), help=BASELINE)
@click.option("--report", "reports", multiple=True, metavar="FORMAT=FILE", help=REPORT.format(", ".join(FORMATS)))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="What standard output gets."
)
@click.option("--strict", is_flag=True, help="Exit with 3 if anything could not be told.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    help="The mildest finding that fails: error or warning  [default: error]",
)
@click.option("--nodes", metavar="FILE", type=click.Path(), help=NODES)
@click.option("--via", metavar="COMMAND", help=VIA)
@click.option("--parallel", type=int, default=64, show_default=True, metavar="N", help=PARALLEL)
@click.option("--node-deadline", type=float, default=30.0, show_default=True, metavar="SECONDS", help=DEADLINE)
@click.option("--nodes-out", metavar="DIR", type=click.Path(), default="", help=OUT)
@click.option("--data", metavar="DIR", type=click.Path(), help="Compatibility data that lies over the shipped one.")
@click.option("-v", "--verbose", is_flag=True, help="Show all evidence and every open question.")
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    target: str | None,
    profile: str | None,
    budget: str,
    required: tuple[str, ...],
    smoke: bool,
    static: bool,
    lock: str | None,
    dockerfiles: tuple[str, ...],
    suppose: tuple[str, ...],
    price: str | None,
    baseline: str | None,
    reports: tuple[str, ...],
    form: str,
    strict: bool,
    fail_on: str | None,
    nodes: str | None,
    via: str | None,
    parallel: int,
    node_deadline: float,
    nodes_out: str,
    data: str | None,
    verbose: bool,
) -> int:
    """Stop a broken machine before it costs money: every check that a job needs, cheapest first.

    Dockerfiles of the working folder, the rules on TARGET, its drift from the lock, its files, what it really loads and
    computes (half a minute and more), a short GRPO training. The first step that fails ends it, and what that spared is told.

    What a project accepts for now (waivers) stands in pyproject.toml under [[tool.envdoctor.ignore]], with code, reason and
    until; one past its date fails. On GitHub, annotations, the summary of the step and its outputs are written besides.

    With --nodes, many machines are judged at once by the rules and --require; TARGET is their environment, and nothing is run.

    \b
    Exit status: 0 passed, 1 failed, 2 wrong usage or unreadable input, 3 what was asked for could not be told
    (the budget is spent; with --strict anything), 4 a bug of envdoctor. With --format nagios that of a Nagios plugin.
    """  # noqa: D301 - click keeps the lines after \b
    _belongs_together(many=nodes is not None)
    if nodes is not None:
        from envdoctor.cli.noding import Nodes, preflight_nodes  # noqa: PLC0415 - `--help` needs none of this

        return preflight_nodes(
            Nodes(nodes, via or "ssh", target, parallel, node_deadline, nodes_out),
            required=required,
            profile=profile,
            form=form,
            reports=reports,
            strict=strict,
            fail_on=fail_on,
            data=data,
            verbose=verbose,
        )
    from envdoctor.cli import preflighting  # noqa: PLC0415

    words = preflighting.Words(target, profile, budget, required, lock, dockerfiles, suppose, price, baseline)

    def run() -> int:
        return preflighting.run_preflight(
            words,
            shown=preflighting.Shown(form, reports, verbose),
            smoke=smoke,
            static=static,
            strict=strict,
            fail_on=fail_on,
            data=data,
        )

    return preflighting.as_plugin(run) if form == "nagios" else run()


def _belongs_together(*, many: bool) -> None:
    """Refuse options of one machine with those of many nodes."""
    wrong = ONE_MACHINE if many else MANY_NODES
    context = click.get_current_context()
    told = [name for name in wrong if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"]
    if told:
        names = ", ".join(CALLED.get(name, f"--{name}") for name in told)
        raise click.UsageError(
            f"--nodes judges many machines without running anything on them, so {names} cannot be told to it"
            if many
            else f"{names} is for many machines: name them with --nodes FILE"
        )
