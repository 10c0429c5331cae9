#!/usr/bin/env bash
# certificates.sh NODES — authorities, certificates and kubeconfigs of one cluster, into $STATE/pki
set -euo pipefail
cd "$(dirname "$0")" && . ./settings.sh
mkdir -p "$STATE/pki" && cd "$STATE/pki"
days=3

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }

authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days $days -out "$1.crt" \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# certificate NAME SUBJECT AUTHORITY USAGE [ALTERNATIVE_NAMES]
certificate() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr" 2>/dev/null
  printf 'extendedKeyUsage=%s\nkeyUsage=critical,digitalSignature\n%s\n' "$4" "${5:+subjectAltName=$5}" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days $days -extfile "$1.ext" \
    -out "$1.crt" 2>/dev/null
  rm -f "$1.csr" "$1.ext"
}

kubeconfig() {
  cat > "$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters:
  - { name: tercet, cluster: { server: "https://$CONTROL_PLANE:6443", certificate-authority-data: $(base64 -w0 ca.crt) } }
users:
  - { name: me, user: { client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key") } }
contexts: [{ name: tercet, context: { cluster: tercet, user: me } }]
current-context: tercet
YAML
}

authority ca
authority front-proxy-ca
openssl genrsa -out sa.key 2048 2>/dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
inside=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
certificate apiserver /CN=kube-apiserver ca serverAuth \
  "IP:$CONTROL_PLANE,IP:127.0.0.1,IP:$SERVICES.0.1,DNS:localhost,$inside"
certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet ca clientAuth
certificate front-proxy /CN=front-proxy front-proxy-ca clientAuth
certificate admin /O=system:masters/CN=admin ca clientAuth
certificate controller-manager /CN=system:kube-controller-manager ca clientAuth
certificate scheduler /CN=system:kube-scheduler ca clientAuth
certificate proxy /CN=system:kube-proxy ca clientAuth
for name in admin controller-manager scheduler proxy; do kubeconfig $name; done
for i in $(seq "$1"); do
  certificate "node$i" "/O=system:nodes/CN=system:node:node$i" ca clientAuth,serverAuth "IP:$(node_address "$i"),DNS:node$i"
  kubeconfig "node$i"
done
