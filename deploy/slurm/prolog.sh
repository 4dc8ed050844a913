#!/bin/bash
# Slurm Prolog: a static preflight of the node before a job starts on it. It takes about a second and computes nothing.
#
# slurm.conf:  Prolog=/etc/slurm/envdoctor-prolog.sh
#              PrologFlags=Alloc                          # run at allocation, not at the first step
#              SchedulerParameters=nohold_on_prolog_fail  # the job goes to another node; without it, it is held
#
# Only a found fault drains the node: exit status 1 of envdoctor, and Slurm drains on any failure of a Prolog. That envdoctor
# is missing, was called wrongly, ran out of time or crashed is no proof of a broken node: it is logged, and the job runs.
# A faulty package must not drain a whole cluster.
#
# Settings are shell assignments in /etc/slurm/envdoctor.conf. A Prolog runs as root, and runs the Python of the environment that it
# judges: that file, envdoctor and the environment must be writable for root alone.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # slurmd gives none

envdoctor=/opt/envdoctor/bin/envdoctor
target=()                  # the environment that jobs use: (/opt/venvs/train); none: the system's python3, so machine and driver
options=(--require gpu)    # more of `envdoctor preflight`: (--require gpu,vllm --lock h100)
deadline_s=8               # below MessageTimeout of slurm.conf, 10 s unless it is set; PrologEpilogTimeout ends what is longer
every_s=300                # a pass is good for so long: many short jobs do not each pay for one
state=/run/envdoctor       # where the last pass is remembered
conf=${ENVDOCTOR_CONF:-/etc/slurm/envdoctor.conf}
if [ -r "$conf" ]; then
    # shellcheck source=/dev/null
    . "$conf"
fi

clean() { # standard input without anything that a log or a command line could take for its own
    tr --complement --delete '[:alnum:] .,:;()_/+=<>-' | cut --bytes=1-200 | sed 's/ *$//'
}
say() {
    logger --tag envdoctor-prolog --priority "daemon.$1" -- "job ${SLURM_JOB_ID:-?}: $2" 2>/dev/null || echo "envdoctor-prolog: $2" >&2
}

now_s=$(date +%s)
passed_s=$(stat --format=%Y "$state/passed" 2>/dev/null || echo 0)
if [ $((now_s - passed_s)) -lt "$every_s" ]; then
    exit 0
fi
if ! [ -x "$envdoctor" ]; then
    say warning "$envdoctor is not there or cannot be run, so nothing was judged; set envdoctor= in $conf"
    exit 0
fi
folder=$(mktemp --directory) || exit 0 # a full /tmp is not what this looks for
trap 'rm -rf "$folder"' EXIT

timeout --kill-after=1 "$deadline_s" \
    "$envdoctor" preflight "${target[@]}" --static "${options[@]}" --report "nagios=$folder/line" >"$folder/page" 2>&1
status=$?

case $status in
0)
    mkdir --parents "$state" && touch "$state/passed"
    exit 0
    ;;
1) ;;
124 | 137)
    say warning "no answer in $deadline_s s, so nothing was judged"
    exit 0
    ;;
*)
    say warning "exit status $status, so nothing was judged: $(tail --lines=1 "$folder/page" | clean)"
    exit 0
    ;;
esac

line=$(head --lines=1 "$folder/line" 2>/dev/null | cut --delimiter='|' --fields=1 | clean) # its words, not its figures
line=${line#ENVDOCTOR CRITICAL - }
reason="envdoctor: ${line:-the preflight failed, and the log of the node says why}"
say err "$reason"
logger --tag envdoctor-prolog --priority daemon.err --file "$folder/page" 2>/dev/null
# Slurm's own reason would be "Prolog error". Its guide asks Prologs for no Slurm commands, as each loads the controller:
# this one is sent once a node, and is left out where it does not answer.
timeout 3 scontrol update "NodeName=${SLURMD_NODENAME:-$(hostname -s)}" State=DRAIN "Reason=$reason" 2>/dev/null
exit 1
