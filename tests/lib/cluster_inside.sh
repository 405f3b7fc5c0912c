#!/usr/bin/env bash
# The inside of a test cluster: runs as the first process of fresh network, mount and PID namespaces
# (cluster.sh makes them) and starts a real single-node Kubernetes there. Arguments: the state folder.
#
# Nothing of it is seen outside: ports, bridge and nft tables are the network namespace's, mounts the
# mount namespace's, and when this process dies the PID namespace takes all others with it. There is no
# default route, so no packet leaves the machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
source "$(dirname "${BASH_SOURCE[0]}")/control_plane.sh"
DIR=$1
NODE=10.244.0.1
cgroup=$(basename "$DIR")
need kubernetes coredns pause
PATH=$PATH:/usr/sbin:/sbin

spawn() { # here the PID namespace is what ends them
  local log=$1; shift
  setsid "$@" >"$log" 2>&1 </dev/null &
}

prepare_namespaces() {
  mount --make-rshared / # the outside is private to us; pods' mounts must reach kubelet and back
  mount -t tmpfs -o mode=755 tmpfs /run
  mount -t tmpfs -o mode=755 tmpfs /var/log
  mkdir -p /var/lib/cni /run/netns
  mount -t tmpfs tmpfs /var/lib/cni
  printf 'nameserver %s\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n' $NODE >"$DIR/resolv.conf"
  mount --bind "$DIR/resolv.conf" /etc/resolv.conf
  ip link set lo up
  ip link add cluster0 type bridge
  ip address add $NODE/24 dev cluster0
  ip link set cluster0 up
  ip route add 10.96.0.0/16 dev cluster0 # Services, for processes that are not in pods
  echo 1 >/proc/sys/net/ipv4/ip_forward
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$cgroup"
  else
    for hierarchy in /sys/fs/cgroup/*/; do
      [ "$hierarchy" = /sys/fs/cgroup/unified/ ] || mkdir -p "$hierarchy$cgroup"
    done
  fi
}

start_containerd() {
  mkdir -p "$DIR/cni" "$DIR/run"
  cat >"$DIR/cni/10-cluster.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "cluster", "plugins": [
  {"type": "bridge", "bridge": "cluster0", "isDefaultGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/ipam", "ranges": [[{"subnet": "10.244.0.0/24", "rangeStart": "10.244.0.10"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "loopback"}]}
EOF
  # restrict_oom_score_adj: a sandbox may lack CAP_SYS_RESOURCE
  cat >"$DIR/containerd.toml" <<EOF
version = 2
root = "$DIR/containerd"
state = "/run/containerd/state"
[grpc]
address = "$DIR/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "local/pause:1"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$DIR/cni"
EOF
  spawn "$DIR/log/containerd.log" containerd -c "$DIR/containerd.toml"
}

start_node() {
  wait_for 30 ctr -a "$DIR/run/containerd.sock" version || { tail "$DIR/log/containerd.log" >&2; exit 1; }
  python3 "$ROOT/tests/images/image.py" local/pause:1 "$DIR/pause.tar" "$(command -v pause)=/pause"
  ctr -a "$DIR/run/containerd.sock" -n k8s.io images import "$DIR/pause.tar" >/dev/null
  cat >"$DIR/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: ""
makeIPTablesUtilChains: false
featureGates: {PodCertificateRequest: true, ClusterTrustBundle: true, ClusterTrustBundleProjection: true}
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $DIR/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$DIR/run/containerd.sock
volumePluginDir: $DIR/plugins
imageMinimumGCAge: 24h
evictionHard: {memory.available: 100Mi, nodefs.available: "1%", imagefs.available: "1%"}
tlsCertFile: $DIR/pki/kubelet.crt
tlsPrivateKeyFile: $DIR/pki/kubelet.key
EOF
  cat >"$DIR/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $DIR/admin.kubeconfig}
hostnameOverride: node1
clusterCIDR: 10.244.0.0/24
conntrack: {maxPerCore: 0}
EOF
  spawn "$DIR/log/kubelet.log" kubelet --config="$DIR/kubelet.yaml" --kubeconfig="$DIR/kubelet.kubeconfig" \
    --root-dir="$DIR/kubelet" --hostname-override=node1 --node-ip=$NODE
  spawn "$DIR/log/proxy.log" kube-proxy --config="$DIR/proxy.yaml"
}

# CoreDNS as a process on the node, named by a Service without selector. The default block answers
# NXDOMAIN, or resolvers would wait for names that are not the cluster's.
start_dns() {
  mkdir -p "$DIR/dns.d"
  cat >"$DIR/Corefile" <<EOF
cluster.local in-addr.arpa {
 bind $NODE
 errors
 kubernetes cluster.local in-addr.arpa {
  kubeconfig $DIR/admin.kubeconfig test
  pods insecure
  ttl 2
 }
}
. {
 bind $NODE
 errors
 template ANY ANY {
  rcode NXDOMAIN
 }
}
import $DIR/dns.d/*
EOF
  spawn "$DIR/log/coredns.log" coredns -conf "$DIR/Corefile"
  kubectl apply -f "$ROOT/tests/lib/dns.yaml" >/dev/null
}

node_ready() {
  kubectl get node node1 -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' | grep -q True
}

mkdir -p "$DIR/log"
prepare_namespaces
start_containerd # starts while etcd and the API server do
# whose ID tokens the API server takes, besides its own: nobody's, until a story writes this file anew
printf 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: []\n' >"$DIR/authentication.yaml"
API_ARGS="--authentication-config=$DIR/authentication.yaml --feature-gates=PodCertificateRequest=true,ClusterTrustBundle=true
  --runtime-config=certificates.k8s.io/v1beta1=true" \
  ETCD_PORT=2379 ETCD_PEER_PORT=2380 API_PORT=6443 KCM_PORT=10257 API_BIND=0.0.0.0 control_plane "$DIR" $NODE
spawn "$DIR/log/scheduler.log" kube-scheduler --kubeconfig="$DIR/admin.kubeconfig" --leader-elect=false
start_node
start_dns
wait_for 60 node_ready || { tail "$DIR/log/kubelet.log" >&2; exit 1; }
touch "$DIR/ready"
exec pause
