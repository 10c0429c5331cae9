# Part of machine.sh: etcd in memory, and the three programs of the control plane.
ip route add "$SERVICES.0.0/16" via "$(node_address 1)" # webhooks and aggregated APIs
mount -t tmpfs -o size=512m tmpfs "$HOME_OF_MACHINE"

"$BIN/etcd" --data-dir "$HOME_OF_MACHINE/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 >"$LOGS/etcd.log" 2>&1 &

"$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
  --bind-address="$CONTROL_PLANE" --advertise-address="$CONTROL_PLANE" --secure-port=6443 \
  --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
  --kubelet-client-certificate="$PKI/apiserver-kubelet.crt" --kubelet-client-key="$PKI/apiserver-kubelet.key" \
  --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy \
  --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group \
  --requestheader-username-headers=X-Remote-User --enable-aggregator-routing=true \
  --proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key" \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" \
  --service-account-signing-key-file="$PKI/sa.key" --service-cluster-ip-range="$SERVICES.0.0/16" \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
  >"$LOGS/apiserver.log" 2>&1 &

as() { echo "--kubeconfig=$PKI/$1.kubeconfig --authentication-kubeconfig=$PKI/$1.kubeconfig \
  --authorization-kubeconfig=$PKI/$1.kubeconfig --bind-address=127.0.0.1 --leader-elect=false"; }

# shellcheck disable=SC2046
"$BIN/kube-controller-manager" $(as controller-manager) --use-service-account-credentials=true \
  --root-ca-file="$PKI/ca.crt" --service-account-private-key-file="$PKI/sa.key" \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
  --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --client-ca-file="$PKI/ca.crt" \
  --cluster-cidr="$PODS.0.0/16" --allocate-node-cidrs=false \
  --node-monitor-period=2s --node-monitor-grace-period=16s \
  --horizontal-pod-autoscaler-sync-period=2s --horizontal-pod-autoscaler-downscale-stabilization=5s \
  --horizontal-pod-autoscaler-initial-readiness-delay=1s >"$LOGS/controller-manager.log" 2>&1 &

# shellcheck disable=SC2046
"$BIN/kube-scheduler" $(as scheduler) >"$LOGS/scheduler.log" 2>&1 &
