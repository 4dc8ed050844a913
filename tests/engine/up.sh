#!/usr/bin/env bash
# A real container engine of its own: `up.sh PREFIX` brings it up, `up.sh PREFIX down` takes away all that it brought.
#
# Debian's newer packages are unpacked under PREFIX, not installed: Debian 12's docker.io has neither buildx nor rewritten
# timestamps. PREFIX/env is what a shell sources to use it. Exit status 75: this machine cannot run one, and the last line says why.
set -euo pipefail

suite=${ENGINE_SUITE:-trixie}
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
socket=$prefix/docker.sock

cannot() { echo "no engine can be started here: $1"; exit 75; }

down() {
    if [ -f "$prefix/docker.pid" ]; then
        pid=$(cat "$prefix/docker.pid")
        if [ "$(readlink -f "/proc/$pid/exe" 2>/dev/null)" = "$(readlink -f "$prefix/x/usr/sbin/dockerd")" ]; then
            kill "$pid"
            for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
        fi
    fi
    # what an engine leaves on the machine: its bridge and its chains, if no other engine needs them
    if [ -f "$prefix/bridge" ]; then
        bridge=$(cat "$prefix/bridge")
        ip link delete "$bridge" 2>/dev/null || true
    fi
    awk -v at="$prefix/" 'index($2, at) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount 2>/dev/null || true
    rm -rf "$prefix"
}

[ "${2:-up}" != down ] || { down; exit 0; }
[ "$(id -u)" = 0 ] || cannot "it needs root, and this is user $(id -u)"
command -v dpkg >/dev/null || cannot "its packages are Debian's, and this machine has no dpkg"
mkdir -p "$prefix/may-mount"
mount -t tmpfs none "$prefix/may-mount" 2>/dev/null || cannot "this machine refuses to mount file systems, even to root"
umount "$prefix/may-mount"

missing=()
for program in runc iptables ip mmdebstrap docker-registry; do command -v "$program" >/dev/null || missing+=("${program/#ip/iproute2}"); done
if [ ${#missing[@]} -gt 0 ]; then
    missing=("${missing[@]/iproute2tables/iptables}")
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -x "$prefix/x/usr/sbin/dockerd" ]; then
    mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true; } |
        sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\).*/\2/p' | sed -n 1p)
    [ -n "$mirror" ] || cannot "apt names no mirror of Debian to take the packages from"
    mkdir -p "$prefix"/{apt/lists/partial,apt/cache/archives/partial,packages}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$prefix/apt/sources.list"
    cat >"$prefix/apt/apt.conf" <<EOF
Dir::Etc::SourceList "$prefix/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$prefix/apt/lists";
Dir::Cache "$prefix/apt/cache";
APT::Sandbox::User "root";
EOF
    export APT_CONFIG=$prefix/apt/apt.conf
    apt-get update -qq
    (cd "$prefix/packages" && apt-get download -qq docker.io docker-cli docker-buildx containerd)
    for package in "$prefix"/packages/*.deb; do dpkg -x "$package" "$prefix/x"; done
    rm -rf "$prefix/packages" "$prefix/apt"
fi

mkdir -p "$prefix"/{root,exec,cdi,config/cli-plugins}
ln -sf "$prefix/x/usr/libexec/docker/cli-plugins/docker-buildx" "$prefix/config/cli-plugins/docker-buildx"
cat >"$prefix/env" <<EOF
export DOCKER_HOST=unix://$socket DOCKER_CONFIG=$prefix/config PATH=$prefix/x/usr/bin:\$PATH
EOF
cat >"$prefix/daemon.json" <<EOF
{"features": {"containerd-snapshotter": true, "cdi": true}, "cdi-spec-dirs": ["$prefix/cdi"]}
EOF
. "$prefix/env"
docker version >/dev/null 2>&1 && exit 0 # it is up already

options=()
if ip link show docker0 >/dev/null 2>&1; then
    # another engine has docker0: this one gets a bridge and a network of its own
    bridge=ed$(printf '%s' "$prefix" | cksum | cut -c1-8)
    ip link add "$bridge" type bridge 2>/dev/null || true
    ip addr replace 172.29.254.1/24 dev "$bridge"
    ip link set "$bridge" up
    options+=(--bridge "$bridge")
    echo "$bridge" >"$prefix/bridge"
else
    echo docker0 >"$prefix/bridge"
fi
PATH=$prefix/x/usr/sbin:$PATH setsid dockerd --config-file "$prefix/daemon.json" -H "unix://$socket" --data-root "$prefix/root" \
    --exec-root "$prefix/exec" --pidfile "$prefix/docker.pid" "${options[@]}" >"$prefix/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 120); do
    docker version >/dev/null 2>&1 && exit 0
    sleep 0.5
done
tail -5 "$prefix/dockerd.log" >&2
if grep -qE "operation not permitted|permission denied" "$prefix/dockerd.log"; then cannot "$(grep -m1 -E 'not permitted|denied' "$prefix/dockerd.log")"; fi
echo "the engine did not come up in 60 s; its log is $prefix/dockerd.log" >&2
exit 1
