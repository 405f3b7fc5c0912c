# shellcheck shell=bash
# What every script of the tests shares: places, messages, small waits. Sourced, never run.

# The checkout, and the cache that outlives checkouts. Everything in the cache is keyed by version,
# so it can be deleted at any time and several checkouts share it.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/oidc-operator

# Dependencies are compiled once for all checkouts. Our own crates are compiled for each: cargo would
# take the older files of another checkout for unchanged, so the path of the wrapper keeps them apart.
# Whoever sets CARGO_TARGET_DIR gets just that folder.
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
  export CARGO_TARGET_DIR=$ROOT/target CARGO_BUILD_BUILD_DIR=$CACHE/target
  export RUSTC_WORKSPACE_WRAPPER=$ROOT/tests/lib/rustc
fi
mkdir -p "$CACHE"

say() { printf '    %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# wait_for SECONDS COMMAND…: runs COMMAND until it succeeds, at most for SECONDS.
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# free_port: prints a loopback TCP port that nobody listens on now.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# spawn LOG COMMAND…: starts a server that dies with this script, even if the script is killed.
SPAWNED=()
spawn() {
  local log=$1; shift
  setpriv --pdeathsig KILL "$@" >"$log" 2>&1 </dev/null &
  SPAWNED+=($!)
  disown $! # bash need not tell when it is killed
}
end_spawned() {
  [ ${#SPAWNED[@]} = 0 ] || kill -KILL "${SPAWNED[@]}" 2>/dev/null
  SPAWNED=()
}

# workspace_version: the version of the workspace, which is the chart's appVersion and the images' tag.
workspace_version() {
  awk -F'"' '/^\[workspace\.package\]/{f=1} f && /^version/{print $2; exit}' "$ROOT/Cargo.toml"
}
