"""``envdoctor smoke``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import targets as completed

ENGINE = "Who samples the answers [the strongest installed of vllm, transformers, bare]; trl runs TRL's own GRPOTrainer."
DEVICE = "auto, cpu, cuda or cuda:N."
PROFILE = "Name of the target that the certificate is for: h100 writes lockfiles/smoke.h100.json [the GPU's, or cpu]."
BUDGET = "Time for training: 60s, 2m. Start-up is told apart."
LOSS = "grpo; dr_grpo, without the division by the spread; ppo, with a value network whose memory is measured."
REWARD = "outcome: one for the whole answer; process: one for each step of it."
MODEL = "Train this local model instead of a tiny one (nothing is downloaded)."
GPUS = "Train data-parallel on so many GPUs."
CERTIFICATE = "Write the certificate of a proven run here."
VERIFY = "Run nothing: say whether this machine, environment and lock still are what this certificate was given for."

RUNS = ("engine", "device", "budget", "seed", "loss", "reward", "model", "gpus", "profile", "html", "json_file", "certificate")
"""Options of a run, which --verify makes none of."""


@click.command()
@click.argument("target", required=False, type=click.Path(), shell_complete=completed)
@click.option("--engine", type=click.Choice(["bare", "transformers", "vllm", "trl", "trl+vllm"]), help=ENGINE)
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help=DEVICE)
@click.option("--profile", metavar="NAME", help=PROFILE)
@click.option("--budget", default="60s", show_default=True, metavar="TIME", help=BUDGET)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--loss", type=click.Choice(["grpo", "dr_grpo", "ppo"]), default="grpo", show_default=True, help=LOSS)
@click.option("--reward", type=click.Choice(["outcome", "process"]), default="outcome", show_default=True, help=REWARD)
@click.option("--model", metavar="PATH", type=click.Path(), help=MODEL)
@click.option("--gpus", type=int, default=1, show_default=True, metavar="N", help=GPUS)
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write the report to FILE instead of standard output.")
@click.option("--html", metavar="FILE", type=click.Path(), help="Also write the report as one HTML file.")
@click.option("--json", "json_file", metavar="FILE", type=click.Path(), help="Also write the report as JSON.")
@click.option("--certificate", metavar="FILE", type=click.Path(), help=CERTIFICATE)
@click.option("--no-certificate", is_flag=True, help="Write no certificate.")
@click.option("--verify", metavar="CERT", type=click.Path(), help=VERIFY)
@click.option("--data", metavar="DIR", type=click.Path(), help="Compatibility data that lies over the shipped one.")
@click.option("-v", "--verbose", is_flag=True, help="Show all evidence and all that a failed run printed.")
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    target: str | None,
    engine: str | None,
    device: str,
    profile: str | None,
    budget: str,
    seed: int,
    loss: str,
    reward: str,
    model: str | None,
    gpus: int,
    form: str,
    output: str | None,
    html: str | None,
    json_file: str | None,
    certificate: str | None,
    no_certificate: bool,
    verify: str | None,
    data: str | None,
    verbose: bool,
) -> int:
    """Train a tiny model by GRPO for some seconds, and prove by its invariants that the stack works on this device.

    TARGET is an environment's folder or a Python interpreter; without it the active environment is taken. The run happens
    in its Python, in a process of its own that is ended with all its children. A loss that prints is no proof: rewards,
    advantages, log-probabilities, gradients, updates and weights are each held against an independent second computation.
    A run that fails is diagnosed: one root cause, and what to do.

    \b
    Exit status: 0 proven (with --verify: all still matches), 1 not proven (something differs),
    2 wrong usage or unreadable input, 4 a bug of envdoctor.
    """  # noqa: D301 - click keeps the lines after \b
    if certificate is not None and no_certificate:
        raise click.UsageError("--certificate and --no-certificate contradict each other")
    if verify is not None:
        if told := [f"--{one.removesuffix('_file')}" for one in RUNS if _given(one)]:
            raise click.UsageError(f"--verify runs nothing, so {', '.join(told)} cannot be told to it")
        from envdoctor.cli.certifying import run_verify  # noqa: PLC0415

        return run_verify(verify, target, form=form, output=output, data=data, verbose=verbose)
    from envdoctor.cli.smoking import Shown, run_smoke  # noqa: PLC0415 - `--help` needs none of this
    from envdoctor.proving.asked import Wishes, seconds  # noqa: PLC0415

    wishes = Wishes(
        engine=engine, device=device, budget_s=seconds(budget), seed=seed, loss=loss, reward=reward, model=model, gpus=gpus
    )
    where = None if no_certificate else certificate or ""
    return run_smoke(
        target, wishes, shown=Shown(form, output, html, json_file, verbose), profile=profile, certificate=where, data=data
    )


def _given(option: str) -> bool:
    """Whether it was on the command line."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
