#!/usr/bin/env bash
# machine.sh control-plane|nodeN NODES — the first process of one "machine": a network, mount, process, host name and
# IPC namespace of its own. It starts the programs of its kind and waits; its end is the end of all of them.
set -euo pipefail
KIT=$(cd "$(dirname "$0")" && pwd) && . "$KIT/settings.sh"
NAME=$1 NODES=$2
PKI=$STATE/pki LOGS=$STATE/logs HOME_OF_MACHINE=$STATE/$NAME
mkdir -p "$HOME_OF_MACHINE" "$LOGS"

join_network() { # ADDRESS
  while ! ip link show dev eth0 >/dev/null 2>&1; do sleep 0.02; done # up.sh moves it in
  ip link set lo up
  ip link set eth0 up
  ip addr add "$1/24" dev eth0
  ip route add default via "$HOST"
  for i in $(seq "$NODES"); do
    [ "$NAME" = "node$i" ] || ip route add "$(pod_range "$i")" via "$(node_address "$i")"
  done
  sysctl -qw net.ipv4.ip_forward=1
}

hostname "$NAME"
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns
trap 'exit 0' TERM
case $NAME in
  control-plane) join_network "$CONTROL_PLANE"; . "$KIT/control-plane.sh" ;;
  node*) NODE=${NAME#node}; ADDRESS=$(node_address "$NODE"); join_network "$ADDRESS"; . "$KIT/node.sh" ;;
esac
while :; do wait || true; sleep 1; done
