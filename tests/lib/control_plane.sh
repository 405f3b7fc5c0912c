# shellcheck shell=bash
# etcd, kube-apiserver and kube-controller-manager as plain processes: a real API server in 4 s.
#
# control_plane DIR ADDRESS starts them; alone they need no root, and every operator test runs on
# them. `cluster_inside.sh` calls it too, inside the namespaces of a cluster with real pods.
# Writes DIR/admin.kubeconfig. The caller has called `need kubernetes` and defined `spawn`.

# make_keys DIR ADDRESS PORT: one CA, certificates of the API server and of the node, a token of an admin.
make_keys() {
  local pki=$1/pki address=$2 server=https://127.0.0.1:$3 token
  mkdir -p "$pki"
  local ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 "${ec[@]}" -days 3650 -subj /CN=test-cluster-ca -keyout "$pki/ca.key" -out "$pki/ca.crt" 2>/dev/null
  openssl genrsa -out "$pki/sa.key" 2048 2>/dev/null
  openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
  certificate() { # NAME SUBJECT EXTENSIONS
    openssl req "${ec[@]}" -subj "$2" -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>/dev/null
    openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 3650 \
      -out "$pki/$1.crt" -extfile <(echo "$3") 2>/dev/null
  }
  local names=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
  names=$names,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:10.96.0.1,IP:$address
  certificate apiserver /CN=kube-apiserver "subjectAltName=$names"
  certificate kubelet-client /O=system:masters/CN=apiserver-kubelet-client "extendedKeyUsage=clientAuth"
  certificate kubelet /O=system:nodes/CN=system:node:node1 "subjectAltName=DNS:node1,IP:$address"
  token=$(openssl rand -hex 16)
  echo "$token,admin,admin,\"system:masters\"" >"$pki/tokens.csv"
  write_kubeconfig "$1/admin.kubeconfig" "$server" "$pki/ca.crt" "token: $token"
  write_kubeconfig "$1/kubelet.kubeconfig" "$server" "$pki/ca.crt" \
    "client-certificate: $pki/kubelet.crt, client-key: $pki/kubelet.key"
}

write_kubeconfig() { # FILE SERVER CA USER
  cat >"$1" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$2", certificate-authority: $3}}]
users: [{name: test, user: {$4}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
EOF
}

# ports: ETCD_PORT, ETCD_PEER_PORT, API_PORT, KCM_PORT (0 = off) are set by the caller.
control_plane() {
  local dir=$1 address=$2 pki=$1/pki
  mkdir -p "$dir/log"
  [ -f "$pki/ca.crt" ] || make_keys "$dir" "$address" "$API_PORT"
  spawn "$dir/log/etcd.log" etcd --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "http://127.0.0.1:$ETCD_PORT" --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
    --listen-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" --initial-advertise-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
    --initial-cluster "default=http://127.0.0.1:$ETCD_PEER_PORT"
  wait_for 30 curl -sf "http://127.0.0.1:$ETCD_PORT/health" || { tail "$dir/log/etcd.log" >&2; return 1; }
  spawn "$dir/log/apiserver.log" kube-apiserver --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
    --secure-port="$API_PORT" --bind-address="${API_BIND:-127.0.0.1}" --advertise-address="$address" \
    --cert-dir="$pki" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --client-ca-file="$pki/ca.crt" --token-auth-file="$pki/tokens.csv" \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-cluster-ip-range=10.96.0.0/16 --allow-privileged=true \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority="$pki/ca.crt" \
    --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
    ${API_ARGS:-}
  export KUBECONFIG=$dir/admin.kubeconfig
  wait_for 60 kubectl get --raw /readyz || { tail "$dir/log/apiserver.log" >&2; return 1; }
  spawn "$dir/log/controller-manager.log" kube-controller-manager --kubeconfig="$dir/admin.kubeconfig" \
    --secure-port="$KCM_PORT" --cert-dir="$pki" \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
    --leader-elect=false --use-service-account-credentials=true --cluster-cidr=10.244.0.0/24 ${KCM_ARGS:-}
  # a namespace is of use once its default ServiceAccount is there
  wait_for 60 kubectl -n default get serviceaccount default || { tail "$dir/log/controller-manager.log" >&2; return 1; }
}
