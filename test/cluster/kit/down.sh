#!/usr/bin/env bash
# down.sh — ends a cluster and removes what it made, whole or half: processes by the ids that up.sh wrote (the end of a
# machine's first process is the end of all in it), links and routes, cgroups, files.
set -uo pipefail
cd "$(dirname "$0")" && . ./settings.sh
for file in "$STATE"/*.pid; do
  [ -e "$file" ] || continue
  parent=$(cat "$file")
  grep -qs machine.sh "/proc/$parent/cmdline" || continue # that id is somebody else's by now
  kill -9 $(pgrep -P "$parent") "$parent" 2>/dev/null
done
for link in $(ip -o link show | grep -oE " $BRIDGE-[0-9]+@" | tr -d ' @'); do ip link del "$link" 2>/dev/null; done
ip link del "$BRIDGE" 2>/dev/null
for _ in $(seq 20); do
  find /sys/fs/cgroup/*/"$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
  compgen -G "/sys/fs/cgroup/*/$CGROUP" >/dev/null || break
  sleep 0.2
done
rm -rf "$STATE"
