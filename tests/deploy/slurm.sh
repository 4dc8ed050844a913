#!/bin/bash
# A whole Slurm on this machine, with deploy/slurm/prolog.sh as its Prolog: `make slurm` runs it. It needs root, and Debian's
# packages slurmctld, slurmd, slurm-client and munge (apt-get install --no-install-recommends). Everything lies in a folder of
# its own and listens on 127.0.0.1 alone; the daemons are stopped at the end, and only they.
#
# usage: slurm.sh ENVDOCTOR [PAGE] -- writes what was seen, as Markdown; exits with 1 where anything is not as it must be
# shellcheck disable=SC2317 # functions are called by trap and by name
set -u
envdoctor=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
for program in munged slurmctld slurmd sbatch scontrol; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed (apt-get install --no-install-recommends slurmctld slurmd slurm-client munge)" >&2; exit 0; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: slurmd needs root" >&2; exit 0; }
if [ -n "${2:-}" ]; then exec >"$2"; fi

at=$(mktemp --directory /tmp/slurm.XXXXXX)
chmod 0755 "$at"
mkdir --mode=0755 "$at/spool" "$at/state" "$at/munge"
daemons=()
down() {
    for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${daemons[@]}"; do wait "$pid" 2>/dev/null; done
    if [ "$wrong" = 0 ]; then rm -rf "$at"; else echo "logs are in $at" >&2; fi
}
wrong=0
trap down EXIT

head --bytes=64 /dev/urandom >"$at/munge/key"
chmod 0400 "$at/munge/key"
munged --foreground --force --socket="$at/munge/socket" --key-file="$at/munge/key" --pid-file="$at/munge/pid" --log-file="$at/munge/log" \
    --seed-file="$at/munge/seed" >/dev/null 2>&1 &
daemons+=($!)

cat >"$at/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthInfo=socket=$at/munge/socket
StateSaveLocation=$at/state
SlurmdSpoolDir=$at/spool
SlurmctldPidFile=$at/slurmctld.pid
SlurmdPidFile=$at/slurmd.pid
SlurmctldLogFile=$at/slurmctld.log
SlurmdLogFile=$at/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
MailProg=/bin/true
Prolog=$at/prolog.sh
PrologFlags=Alloc
SchedulerParameters=nohold_on_prolog_fail
NodeName=node1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=main Nodes=node1 Default=YES State=UP
CONF
mkdir "$at/bin"
printf '#!/bin/sh\necho "$*" >>%s/logged\n' "$at" >"$at/bin/logger" # there may be no log daemon here
chmod +x "$at/bin/logger"
cp "$root/deploy/slurm/prolog.sh" "$at/prolog.sh"
chmod 0755 "$at/prolog.sh"
# slurmd reads no settings of ours: the copy knows where they are
sed --in-place "s|/etc/slurm/envdoctor.conf|$at/envdoctor.conf|" "$at/prolog.sh"
export SLURM_CONF=$at/slurm.conf
slurmctld -D -f "$at/slurm.conf" >/dev/null 2>&1 &
daemons+=($!)
slurmd -D -N node1 -f "$at/slurm.conf" >/dev/null 2>&1 &
daemons+=($!)

until_s() { # SECONDS COMMAND...: whether it came true in time
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.3
    done
}
node_is() { [[ $(sinfo --noheader --format=%T 2>/dev/null) == "$1" ]]; }
job_is() { [[ $(scontrol --oneliner show job "$job" 2>/dev/null) == *"JobState=$1 "* ]]; }
field() { scontrol --oneliner show "$1" "$2" | grep --only-matching --perl-regexp "(^| )$3=\K.*?(?= [A-Z][A-Za-z_:/]*=|$)"; }
expect() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" || { wrong=1; echo "**NOT SO: $what**"; }
}
submit() { job=$(sbatch --parsable --output="$at/job.out" --wrap "echo the job ran"); }

shown() { # a case: TITLE, then settings on standard input
    echo "$1" >&2
    cat >"$at/envdoctor.conf"
    echo "state=$at/run every_s=0 PATH=$at/bin:\$PATH" >>"$at/envdoctor.conf"
    rm -f "$at/logged"
    printf '\n## %s\n\n```sh\n' "$1"
    grep --invert-match 'state=' "$at/envdoctor.conf" | sed "s|$envdoctor|/opt/envdoctor/bin/envdoctor|; s|$at|/tmp/slurm|"
    printf '```\n\n'
}
told() {
    printf '| | |\n|---|---|\n'
    printf '| node | %s |\n' "$(sinfo --noheader --format=%T)"
    printf '| its reason | %s |\n' "$(field node node1 Reason | sed 's/ \[.*//')"
    printf '| job | %s, reason %s, restarts %s |\n' "$(field job "$job" JobState)" "$(field job "$job" Reason)" "$(field job "$job" Restarts)"
    printf '| its output | %s |\n' "$(cat "$at/job.out" 2>/dev/null)"
    printf '| logged | %s |\n' "$(head --lines=1 "$at/logged" 2>/dev/null | sed "s|$at|/tmp/slurm|g")"
}
again() { # everything as it was
    scancel "$job" 2>/dev/null
    rm -f "$at/job.out"
    scontrol update NodeName=node1 State=RESUME 2>/dev/null
    until_s 20 node_is idle || true
}
runs() { # the job must run, and the node must stay
    submit
    expect "the job completes" until_s 30 job_is COMPLETED
    expect "the job wrote its line" grep --quiet "the job ran" "$at/job.out"
    expect "the node stays in service" until_s 10 node_is idle
    told
    again
}
drains() { # the node must be drained with our words, and the job must wait
    submit
    expect "the node is drained" until_s 30 node_is drained
    expect "the job waits in the queue" until_s 10 job_is PENDING
    expect "the job has not run" test ! -e "$at/job.out"
    expect "the reason is ours" grep --quiet "^envdoctor: " <<<"$(field node node1 Reason)"
    told
    sed --in-place 's/--require gpu//' "$at/envdoctor.conf"
    local since=$SECONDS
    scontrol update NodeName=node1 State=RESUME
    expect "the job runs once the node is mended" until_s 300 job_is COMPLETED
    printf '\nThe fault mended, and then scontrol update NodeName=node1 State=RESUME: the job is %s, %s s later.\n' \
        "$(field job "$job" JobState)" "$((SECONDS - since))"
    again
}

until_s 30 node_is idle || { echo "Slurm does not come up" >&2; wrong=1; exit 1; }
cat <<PAGE
# The Prolog under a whole Slurm

Written by \`make slurm\` (\`tests/deploy/slurm.sh\`) on $(date --utc +%F): munged, slurmctld and slurmd of Slurm $(sinfo --version | cut --delimiter=' ' --fields=2)
on one machine without a GPU, \`deploy/slurm/prolog.sh\` as the Prolog, PrologFlags=Alloc and SchedulerParameters=nohold_on_prolog_fail. Each part is
one \`sbatch --wrap "echo the job ran"\` under the settings that it shows, and the real \`envdoctor preflight\` of this checkout. Slurm lets a job
that was requeued wait for some minutes before it may start again.
PAGE

shown "A healthy node: the job runs" <<<"envdoctor=$envdoctor options=()"
runs
shown "A GPU is required, and there is none: the node is drained" <<<"envdoctor=$envdoctor options=(--require gpu)"
drains
mkdir "$at/mute"
printf '#!/bin/sh\nexit 1\n' >"$at/mute/scontrol"
chmod +x "$at/mute/scontrol"
shown "The same where the controller takes no reason: Slurm drains by itself, with its own" <<<"envdoctor=$envdoctor options=(--require gpu) PATH=$at/mute:\$PATH"
submit
expect "the node is drained" until_s 30 node_is drained
expect "the job waits in the queue" until_s 10 job_is PENDING
told
again
shown "envdoctor is not installed: logged, and the job runs" <<<"envdoctor=$at/none"
runs
shown "An option that does not exist (exit status 2): logged, and the job runs" <<<"envdoctor=$envdoctor options=(--no-such-option)"
runs
printf '#!/bin/sh\nsleep 60\n' >"$at/hangs"
chmod +x "$at/hangs"
shown "envdoctor hangs: ended at the deadline, and the job runs" <<<"envdoctor=$at/hangs deadline_s=2"
runs
exit "$wrong"
