# Read by the other scripts: names and addresses of one cluster. CLUSTER is a digit, so that ten can stand side by side.
CLUSTER=${CLUSTER:-0}
case $CLUSTER in [0-9]) ;; *) echo "CLUSTER is one digit, not '$CLUSTER'" >&2; exit 2 ;; esac
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tercet/cluster
BIN=${BIN:-$CACHE/bin}
IMAGES=${IMAGES:-$CACHE/images}
STATE=${STATE:-$CACHE/run/$CLUSTER}

BRIDGE=tercet$CLUSTER
CGROUP=tercet-cluster-$CLUSTER
MACHINES=10.20$CLUSTER.0      # the host is .1, the control plane .10, node N is .(10+N)
PODS=10.21$CLUSTER            # node N has PODS.N.0/24
SERVICES=10.22$CLUSTER
HOST=$MACHINES.1
CONTROL_PLANE=$MACHINES.10
DNS=$SERVICES.0.10

node_address() { echo "$MACHINES.$((10 + $1))"; }
pod_range() { echo "$PODS.$1.0/24"; }
