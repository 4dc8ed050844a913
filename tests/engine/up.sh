#!/usr/bin/env bash
# A real container engine of its own: `up.sh PREFIX` brings it up, `up.sh PREFIX down` takes away all that it brought.
#
# Debian's newer packages are unpacked under PREFIX, not installed: Debian 12's docker.io has neither buildx nor rewritten
# timestamps. PREFIX/env is what a shell sources to use it. It has a bridge and a handful of firewall rules of its own and
# touches no other: dockerd itself would flush the chains of an engine that already runs here.
# Exit status 75: this machine cannot run one, and the last line says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/mirror.sh"

suite=${ENGINE_SUITE:-trixie}
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
socket=$prefix/docker.sock
bridge=ed$(printf '%s' "$prefix" | cksum | cut -d' ' -f1) # 15 characters is the longest name of an interface

cannot() {
    echo "no engine can be started here: $1"
    exit 75
}

stop() { # PIDFILE: end the program of ours that it names, and wait for it; a pid that somebody else has by now is left alone
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in "$prefix"/*) ;; *) return 0 ;; esac
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 150); do
        [ -d "/proc/$pid" ] || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
}

firewall() { # -I or -D: containers reach the network, and what answers reaches them
    iptables -w -t nat "$1" POSTROUTING -s "$2" ! -o "$bridge" -j MASQUERADE
    iptables -w "$1" FORWARD -i "$bridge" -j ACCEPT
    iptables -w "$1" FORWARD -o "$bridge" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}

down() {
    stop "$prefix/docker.pid"
    stop "$prefix/exec/containerd/containerd.pid"
    if [ -f "$prefix/network" ]; then
        firewall -D "$(cat "$prefix/network")" 2>/dev/null || true
        ip link delete "$bridge" 2>/dev/null || true
    fi
    [ ! -f "$prefix/ip_forward" ] || cat "$prefix/ip_forward" >/proc/sys/net/ipv4/ip_forward
    awk -v at="$prefix/" 'index($2, at) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount -l || true
    rm -rf "$prefix"
}

if [ "${2:-up}" = down ]; then
    down
    exit 0
fi
[ "$(id -u)" = 0 ] || cannot "it needs root, and this is user $(id -u)"
command -v dpkg >/dev/null && command -v apt-get >/dev/null || cannot "its packages are Debian's, and this machine has no apt"
mkdir -p "$prefix/may-mount"
mount -t tmpfs none "$prefix/may-mount" 2>/dev/null || cannot "this machine refuses to mount file systems, even to root"
umount "$prefix/may-mount"
[ -w /proc/sys/net/ipv4/ip_forward ] || cannot "this machine lets nobody change its network, even root"

missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<EOF
runc runc
iptables iptables
ip iproute2
mmdebstrap mmdebstrap
EOF
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -x "$prefix/x/usr/sbin/dockerd" ]; then
    from=$(mirror)
    [ -n "$from" ] || cannot "apt names no mirror of Debian to take the packages from"
    mkdir -p "$prefix"/{apt/lists/partial,apt/cache/archives/partial,packages}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $suite main" >"$prefix/apt/sources.list"
    cat >"$prefix/apt/apt.conf" <<EOF
Dir::Etc::SourceList "$prefix/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$prefix/apt/lists";
Dir::Cache "$prefix/apt/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
EOF
    (
        export APT_CONFIG=$prefix/apt/apt.conf
        apt-get update -qq
        cd "$prefix/packages"
        apt-get download -qq docker.io docker-cli docker-buildx containerd docker-registry
    )
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

if ! ip link show "$bridge" >/dev/null 2>&1; then
    for third in $(seq 254 -1 200); do
        network=172.29.$third.0/24
        [ -n "$(ip -4 route show "$network")" ] || break
    done
    ip link add "$bridge" type bridge 2>/dev/null || cannot "this machine refuses to make a network bridge, even to root"
    echo "$network" >"$prefix/network"
    ip addr add "${network%.0/24}.1/24" dev "$bridge"
    ip link set "$bridge" up
    cat /proc/sys/net/ipv4/ip_forward >"$prefix/ip_forward"
    echo 1 >/proc/sys/net/ipv4/ip_forward
    firewall -I "$network"
fi
# a route that takes less than 1500 bytes at once (a tunnel, a cloud) must be known inside, or downloads hang
out=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sed -n 1p)
mtu=$(cat "/sys/class/net/$out/mtu" 2>/dev/null || echo 1500)
PATH=$prefix/x/usr/sbin:$PATH setsid dockerd --config-file "$prefix/daemon.json" -H "unix://$socket" --data-root "$prefix/root" \
    --exec-root "$prefix/exec" --pidfile "$prefix/docker.pid" --bridge "$bridge" --mtu "$mtu" --iptables=false --ip6tables=false \
    --ip-forward=false >"$prefix/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 240); do
    docker version >/dev/null 2>&1 && exit 0
    sleep 0.25
done
tail -5 "$prefix/dockerd.log" >&2
refused=$(grep -m1 -iE "operation not permitted|permission denied" "$prefix/dockerd.log" || true)
[ -z "$refused" ] || cannot "$refused"
echo "the engine did not come up in 60 s; its log is $prefix/dockerd.log" >&2
exit 1
