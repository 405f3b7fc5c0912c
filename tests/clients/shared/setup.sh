# shellcheck shell=bash
# What the `run` scripts of the clients, and of the browser stories, share. Sourced; `here` is the script's folder.
#
# Contract of a `run`: arguments WORK_FOLDER PROVIDER_BINARY; it prints TAP with the counts
# `# pass N` and `# fail N`, and exits with 77 after saying why if this machine cannot run it.
shared=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$shared/../../lib/common.sh"
source "$shared/../../lib/tools.sh"
here=${here:?the folder of the client} work=$1/$(basename "$here") name=$(basename "$here") binary=$2
mkdir -p "$work"

# unable REASON: ends the run; this machine cannot do it.
unable() { echo "$*"; exit 77; }

# cached KIND LOCK_FILE COMMAND…: prints the folder that COMMAND FOLDER filled, once for each content of the lock file.
cached() {
  local kind=$1 lock=$2 folder
  folder=$CACHE/$kind/$name-$(sha256sum "$lock" | cut -c1-12)
  shift 2
  mkdir -p "$folder"
  ( # one installer at a time, whoever else runs
    flock 9
    [ -e "$folder/.complete" ] || { "$@" "$folder" >"$folder.log" 2>&1 && touch "$folder/.complete"; }
  ) 9>"$folder.lock" || { cat "$folder.log" >&2; return 1; }
  echo "$folder"
}

npm_ci() { cp "$here"/package*.json "$1" && cd "$1" && npm ci --no-audit --no-fund --ignore-scripts; }

# npm_story: copies the story, beside its person and its modules, into the work folder.
npm_story() {
  local modules
  modules=$(cached npm "$here/package-lock.json" npm_ci) || die "npm ci failed"
  cp "$here"/*.mjs "$shared/person.mjs" "$work" && ln -sfn "$modules/node_modules" "$work/node_modules"
}

pip_install() {
  python3 -m venv "$1/venv" && "$1/venv/bin/pip" install --disable-pip-version-check --require-hashes --only-binary :all: \
    -r "$here/requirements.txt"
}

# python_story: exports PYTHON, which has the packages of requirements.txt (every one with its hash).
python_story() {
  local packages
  python3 -c 'import venv, ensurepip' 2>/dev/null || unable "needs python3 with venv"
  packages=$(cached python "$here/requirements.txt" pip_install) || die "pip install failed"
  cp "$here"/*.py "$shared"/*.py "$work"
  export PYTHON=$packages/venv/bin/python
}

# serve_standalone [FOLDER]: exports ISSUER_URL of a standalone provider with the manifests of FOLDER
# (default: examples/standalone); it ends with this script.
serve_standalone() {
  local port
  port=$(free_port)
  export ISSUER_URL=http://localhost:$port
  spawn "$work/provider.log" "$binary" dev --listen "localhost:$port" --issuer "$ISSUER_URL" \
    --manifests "${1:-$ROOT/examples/standalone}" --state "$work/state"
  trap end_spawned EXIT
  wait_for 20 curl -sf "$ISSUER_URL/health" || { cat "$work/provider.log"; die "the provider did not start"; }
}

# with_notes: prints a folder with the demo manifests and those of shared/manifests.
with_notes() {
  mkdir -p "$work/manifests"
  cp "$ROOT"/examples/standalone/*.yaml "$here"/../shared/manifests/*.yaml "$work/manifests"
  echo "$work/manifests"
}

# tell COMMAND…: runs the story in the work folder; what the provider logged is shown if it fails.
tell() { cd "$work" && "$@" || { tail -n 50 "$work/provider.log"; exit 1; }; }
