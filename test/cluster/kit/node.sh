# Part of machine.sh: containerd with the images that the cluster has, the kubelet and kube-proxy.
D=$HOME_OF_MACHINE
mkdir -p "$D"/{cni,kubelet,containerd,log,pods} /var/lib/kubelet /var/lib/containerd
mount --bind "$D/kubelet" /var/lib/kubelet
mount --bind "$D/containerd" /var/lib/containerd
mount --bind "$D/log" /var/log

# The kubelet insists on these and would write them for the whole host (they have no namespace): it is shown files.
for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  shown=/run/sysctl-${pair//\//-}
  echo "${pair#*=}" > "$shown"
  mount --bind "$shown" "/proc/sys/${pair%=*}"
done

for kind in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
  mkdir -p "/sys/fs/cgroup/$kind/$CGROUP/$NAME"
done
for folder in "$CGROUP" "$CGROUP/$NAME"; do
  for file in cpuset.cpus cpuset.mems; do
    cat "/sys/fs/cgroup/cpuset/$file" > "/sys/fs/cgroup/cpuset/$folder/$file"
  done
done

cat > "$D/cni/10-bridge.conflist" <<JSON
{ "cniVersion": "1.0.0", "name": "pods", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
    "ipam": { "type": "host-local", "dataDir": "$D/ipam", "ranges": [[{ "subnet": "$(pod_range "$NODE")" }]],
              "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
JSON

# Without CAP_SYS_RESOURCE nobody may lower oom_score_adj: containerd has to be told, or every sandbox dies.
unused=$(printf '"io.containerd.%s.v1.%s",' snapshotter btrfs snapshotter zfs snapshotter aufs snapshotter devmapper \
  internal tracing)
cat > "$D/containerd.toml" <<TOML
version = 2
disabled_plugins = [${unused%,}]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_tcp_service = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$D/cni"
TOML

# failCgroupV1: hosts with cgroup v1 are refused otherwise.
cat > "$D/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP/$NAME
failCgroupV1: false
failSwapOn: false
protectKernelDefaults: true
authentication: { anonymous: { enabled: false }, x509: { clientCAFile: $PKI/ca.crt }, webhook: { enabled: true } }
authorization: { mode: Webhook }
tlsCertFile: $PKI/$NAME.crt
tlsPrivateKeyFile: $PKI/$NAME.key
address: $ADDRESS
healthzBindAddress: 127.0.0.1
clusterDomain: cluster.local
clusterDNS: [$DNS]
resolvConf: $D/resolv.conf
volumePluginDir: $D/volume-plugins
staticPodPath: $D/pods
imageGCHighThresholdPercent: 100
evictionHard: { memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1% }
nodeStatusUpdateFrequency: 4s
syncFrequency: 10s
maxPods: 110
registerWithTaints: []
YAML
echo "nameserver $DNS" > "$D/resolv.conf"

# clusterCIDR: without it Services that are called from outside the pods answer only sometimes, with several nodes.
cat > "$D/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: { kubeconfig: $PKI/proxy.kubeconfig }
mode: ${PROXY_MODE:-nftables}
hostnameOverride: $NAME
bindAddress: $ADDRESS
clusterCIDR: $PODS.0.0/16
conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
YAML

containerd --config "$D/containerd.toml" >"$LOGS/$NAME-containerd.log" 2>&1 &
for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
for archive in "$IMAGES"/*.tar; do ctr -n k8s.io images import "$archive" >>"$LOGS/$NAME-import.log" 2>&1; done
"$BIN/kubelet" --kubeconfig="$PKI/$NAME.kubeconfig" --config="$D/kubelet.yaml" --hostname-override="$NAME" \
  --node-ip="$ADDRESS" >"$LOGS/$NAME-kubelet.log" 2>&1 &
"$BIN/kube-proxy" --config "$D/proxy.yaml" >"$LOGS/$NAME-proxy.log" 2>&1 &
