#!/usr/bin/env bash
# up.sh [NODES] — starts a cluster of a control plane and some nodes (1), with DNS. What an earlier run left is removed.
# Prints KUBECONFIG=… in the end; down.sh ends it.
set -euo pipefail
KIT=$(cd "$(dirname "$0")" && pwd) && . "$KIT/settings.sh"
NODES=${1:-1}
export CLUSTER BIN IMAGES STATE
"$KIT/down.sh"
mkdir -p "$STATE"
"$KIT/certificates.sh" "$NODES"
ip link add "$BRIDGE" type bridge
ip addr add "$HOST/24" dev "$BRIDGE"
ip link set "$BRIDGE" up

machine() { # NAME NUMBER
  unshare --net --mount --pid --uts --ipc --fork --kill-child --mount-proc "$KIT/machine.sh" "$1" "$NODES" \
    >"$STATE/$1.log" 2>&1 </dev/null &
  local parent=$! child
  echo $parent > "$STATE/$1.pid"
  disown
  until child=$(pgrep -P $parent) && [ -n "$child" ]; do sleep 0.02; done
  ip link add "$BRIDGE-$2" type veth peer name eth0 netns "$child"
  ip link set "$BRIDGE-$2" master "$BRIDGE" up
}

machine control-plane 0
for i in $(seq "$NODES"); do
  machine "node$i" "$i"
  ip route replace "$(pod_range "$i")" via "$(node_address "$i")" dev "$BRIDGE"
done
ip route replace "$SERVICES.0.0/16" via "$(node_address 1)" dev "$BRIDGE"

export KUBECONFIG=$STATE/pki/admin.kubeconfig
patience=$((SECONDS + 180))
until_true() { # WHAT COMMAND…
  local what=$1; shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $patience ] || { echo "$what did not come in time; see $STATE/logs" >&2; exit 1; }
    sleep 0.2
  done
}
until_true 'the API server' "$BIN/kubectl" get --raw /readyz
for i in $(seq "$NODES"); do until_true "node$i" "$BIN/kubectl" get node "node$i"; done
"$BIN/kubectl" wait --for=condition=Ready node --all --timeout=120s >/dev/null
for i in $(seq "$NODES"); do # devices that nobody has: enough for the scheduler and for quotas
  "$BIN/kubectl" patch node "node$i" --subresource=status --type=json >/dev/null \
    -p "[{\"op\":\"add\",\"path\":\"/status/capacity/nvidia.com~1gpu\",\"value\":\"${GPUS:-4}\"}]"
done
"$BIN/kubectl" apply -f "$KIT/../../../helm/tercet/crds/servingpools.yaml" >/dev/null
sed "s/\$DNS/$DNS/" "$KIT/dns.yaml" | "$BIN/kubectl" apply -f - >/dev/null
"$BIN/kubectl" -n kube-system rollout status deploy/coredns --timeout=90s >/dev/null
echo "KUBECONFIG=$KUBECONFIG"
