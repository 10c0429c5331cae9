#!/usr/bin/env bash
# build.sh — makes the programs of the cluster, once: Kubernetes, etcd, CoreDNS and Helm from Go modules. What the cache
# holds for this go.sum is not made again.
set -euo pipefail
cd "$(dirname "$0")" && . ./settings.sh
mkdir -p "$BIN" && cd programs
key=$(cat go.mod go.sum ./*.go coredns/*.go | sha256sum | cut -c1-16)
[ "$(cat "$BIN/.key" 2>/dev/null)" = "$key" ] && exit 0
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -trimpath -mod=readonly'
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=$(echo "$version" | cut -d. -f2)

build() { go build -gcflags=all=-dwarf=false -ldflags "-s -w $3" -o "$BIN/$1" "$2"; }
named=k8s.io/component-base/version
build hyperkube . "-X $named.gitVersion=$version -X $named.gitMajor=1 -X $named.gitMinor=$minor \
  -X k8s.io/client-go/pkg/version.gitVersion=$version"
build coredns ./coredns ""
build helm helm.sh/helm/v3/cmd/helm \
  "-X helm.sh/helm/v3/internal/version.version=$(go list -m -f '{{.Version}}' helm.sh/helm/v3)"
for name in etcd kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
  ln -sf hyperkube "$BIN/$name"
done
echo "$key" > "$BIN/.key"
