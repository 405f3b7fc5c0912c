# shellcheck shell=bash
# A cluster with real pods, seen from outside: start, load images, install the chart, join, end.
# CLUSTER_DIR is its state folder; the last part of it names its cgroup. Several live side by side.
CLUSTER_DIR=${CLUSTER_DIR:-${TMPDIR:-/tmp}/oidc-operator-cluster}
RELEASE=oidc
NAMESPACE=default

CLUSTER_PACKAGES=(containerd=containerd runc=runc /usr/lib/cni/bridge=containernetworking-plugins
  conntrack=conntrack nft=nftables iptables=iptables ip=iproute2 etcd=etcd-server
  redis-server=redis-server openssl=openssl curl=curl pgrep=procps
  /etc/ssl/certs/ca-certificates.crt=ca-certificates)

# cluster_possible: succeeds, or prints why this machine cannot run one.
cluster_possible() {
  [ "$(uname -sm)" = "Linux x86_64" ] || { echo "needs Linux on x86_64"; return 1; }
  [ "$(id -u)" = 0 ] || { echo "needs root (namespaces, mounts)"; return 1; }
  unshare --net --mount --pid --fork true 2>/dev/null || { echo "cannot make namespaces here"; return 1; }
  PATH=$PATH:/usr/sbin:/sbin need_packages "${CLUSTER_PACKAGES[@]}"
}

cluster_running() { [ -e "$CLUSTER_DIR/ready" ] && kill -0 "$(cat "$CLUSTER_DIR/unshare.pid" 2>/dev/null)" 2>/dev/null; }

# cluster_start [COMMAND…]: COMMAND is put before the first process (the runner gives
# `setpriv --pdeathsig KILL`, so that the cluster dies with it).
cluster_start() {
  need kubernetes coredns pause
  cluster_stop
  mkdir -p "$CLUSTER_DIR/log"
  CLUSTER_DIR=$(cd "$CLUSTER_DIR" && pwd -P)
  case $CLUSTER_DIR in /run/*|/var/run/*) die "the state folder cannot be under /run" ;; esac
  setsid "$@" unshare --net --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
    "$ROOT/tests/lib/cluster_inside.sh" "$CLUSTER_DIR" >"$CLUSTER_DIR/log/up.log" 2>&1 </dev/null &
  local outer=$!
  disown $outer # bash need not tell when it is killed
  echo $outer >"$CLUSTER_DIR/unshare.pid"
  until [ -e "$CLUSTER_DIR/ready" ]; do
    kill -0 $outer 2>/dev/null || { cat "$CLUSTER_DIR/log/up.log" >&2; return 1; }
    sleep 0.05
  done
  pgrep -P $outer >"$CLUSTER_DIR/init.pid"
}

# cluster_stop: one kill; the PID namespace takes the rest, the mounts and links go with their namespaces.
cluster_stop() {
  local outer init cgroup hierarchy left
  outer=$(cat "$CLUSTER_DIR/unshare.pid" 2>/dev/null)
  init=$(cat "$CLUSTER_DIR/init.pid" 2>/dev/null || echo none)
  if [ -n "$outer" ] && grep -q unshare "/proc/$outer/comm" 2>/dev/null; then
    kill -KILL "$outer"
    for _ in $(seq 200); do [ -d "/proc/$init" ] || break; sleep 0.05; done
  fi
  cgroup=$(basename "$CLUSTER_DIR")
  for _ in $(seq 30); do # the kernel empties cgroups a little later
    left=0
    for hierarchy in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
      [ -d "$hierarchy" ] || continue
      find "$hierarchy" -depth -type d -exec rmdir {} \; 2>/dev/null
      [ ! -d "$hierarchy" ] || left=1
    done
    [ $left = 1 ] || break
    sleep 0.1
  done
  rm -rf --one-file-system "$CLUSTER_DIR"
}

# cluster_join COMMAND…: runs COMMAND inside the cluster's network, with its names resolved, and among
# its processes (its /proc shows no others). Everything else (files, user) is this machine's.
cluster_join() {
  local init
  init=$(cat "$CLUSTER_DIR/init.pid") || return 1
  KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig nsenter -t "$init" -n -m -p --wd="$PWD" -- "$@"
}

# cluster_import TAR: makes an image known to the node, unless this very file was imported before.
cluster_import() {
  local sum
  sum=$(sha256sum <"$1")
  [ "$(cat "$1.imported" 2>/dev/null)" != "$sum" ] || return 0
  cluster_join ctr -a "$CLUSTER_DIR/run/containerd.sock" -n k8s.io images import "$1" >/dev/null || return 1
  echo "$sum" >"$1.imported"
}

# cluster_load: builds the images of this checkout and imports them under the chart's default names.
cluster_load() {
  mkdir -p "$CLUSTER_DIR/images"
  build_images "$CLUSTER_DIR/images" || return 1
  local tar
  for tar in "$CLUSTER_DIR"/images/*.tar; do cluster_import "$tar" || return 1; done
}

# cluster_install [HELM ARGUMENTS…]: the chart as `oidc` in the namespace default.
cluster_install() {
  need helm kubernetes
  cluster_join helm upgrade --install $RELEASE "$ROOT/charts/oidc-operator" --namespace $NAMESPACE \
    --wait --timeout 180s "$@" >"$CLUSTER_DIR/log/helm.log" 2>&1 || {
    cat "$CLUSTER_DIR/log/helm.log" >&2
    cluster_diagnose >&2
    return 1
  }
}

# cluster_diagnose: what a person would look at first when something is not ready.
cluster_diagnose() {
  cluster_join kubectl get pods -A -o wide
  cluster_join kubectl get oidcclients,oidcusers,signingkeys -A 2>/dev/null
  cluster_join kubectl get events -A --sort-by=.lastTimestamp | tail -n 25
  local pod
  for pod in $(cluster_join kubectl get pods -n $NAMESPACE -o name); do
    echo "--- $pod"
    cluster_join kubectl logs -n $NAMESPACE "$pod" --all-containers --tail=25
    cluster_join kubectl logs -n $NAMESPACE "$pod" --all-containers --tail=10 --previous 2>/dev/null
  done
}

# cluster_ca: the file with the CA of the issuer (empty before the chart is installed).
cluster_ca() {
  local file=$CLUSTER_DIR/issuer-ca.crt
  cluster_join kubectl get secret -n $NAMESPACE $RELEASE-tls -o jsonpath='{.data.ca\.crt}' 2>/dev/null | base64 -d >"$file"
  echo "$file"
}

cluster_env() {
  local init tools
  init=$(cat "$CLUSTER_DIR/init.pid")
  tools=$(tool_dir kubernetes):$(tool_dir helm)
  cat <<EOF
export KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig
export ISSUER_URL=https://$RELEASE.$NAMESPACE.svc.cluster.local
export CA_FILE=$(cluster_ca)
export JOIN="nsenter -t $init -n -m -p --wd=."
export PATH=$tools:\$PATH
# the same commands as on any cluster, run inside this one's network
kubectl() { \$JOIN kubectl "\$@"; }
helm() { \$JOIN helm "\$@"; }
curl() { \$JOIN curl "\$@"; }
EOF
}
