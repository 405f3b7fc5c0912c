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
    -r "$needs/requirements.txt"
}

# python_story [FOLDER]: exports PYTHON, which has the packages of the requirements.txt (every one with its hash)
# in FOLDER, by default the story's; those in shared are enough for a person and a pod.
python_story() {
  local needs=${1:-$here} packages name
  name=$(basename "$needs")
  python3 -c 'import venv, ensurepip' 2>/dev/null || unable "needs python3 with venv"
  packages=$(cached python "$needs/requirements.txt" pip_install) || die "pip install failed"
  cp "$here"/*.py "$shared"/*.py "$work"
  export PYTHON=$packages/venv/bin/python
}

# serve_standalone [FOLDER]: exports ISSUER_URL of a standalone provider with the manifests of FOLDER
# (default: examples/standalone); it ends with this script.
serve_standalone() {
  local port
  port=$(free_port)
  export ISSUER_URL=http://localhost:$port
  serve "$port" "${1:-$ROOT/examples/standalone}"
  wait_for 20 curl -sf "$ISSUER_URL/health" || { cat "$work/provider.log"; die "the provider did not start"; }
}

# serve_https FOLDER: the same at https, under a CA of its own as in a cluster; exports CA_FILE, which the
# person's browser trusts. PYTHON is a Python.
serve_https() {
  local port inner key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  port=$(free_port) inner=$(free_port)
  export ISSUER_URL=https://localhost:$port CA_FILE=$work/ca.crt REQUESTS_CA_BUNDLE=$work/ca.crt
  openssl req -x509 "${key[@]}" -days 2 -subj "/CN=issuer's CA" -keyout "$work/ca.key" -out "$CA_FILE" 2>"$work/openssl.log" &&
    openssl req "${key[@]}" -subj /CN=localhost -keyout "$work/tls.key" -out "$work/tls.csr" 2>>"$work/openssl.log" &&
    openssl x509 -req -in "$work/tls.csr" -CA "$CA_FILE" -CAkey "$work/ca.key" -CAcreateserial -days 2 -out "$work/tls.crt" \
      -extfile <(echo subjectAltName=DNS:localhost,IP:127.0.0.1) 2>>"$work/openssl.log" || { cat "$work/openssl.log"; die "no certificate"; }
  cat "$work/tls.crt" "$work/tls.key" >"$work/tls.pem"
  serve "$inner" "$1"
  spawn "$work/https.log" "$PYTHON" "$shared/https.py" "$port" "$inner" "$work/tls.pem"
  wait_for 20 curl -sf --cacert "$CA_FILE" "$ISSUER_URL/health" || { cat "$work/provider.log" "$work/https.log"; die "the provider did not start"; }
}

# serve PORT FOLDER: starts the provider of ISSUER_URL.
serve() {
  spawn "$work/provider.log" "$binary" dev --listen "localhost:$1" --issuer "$ISSUER_URL" --manifests "$2" --state "$work/state"
  trap end_spawned EXIT
}

# integration NAME ADDRESS: prints a folder with the demo person and the client of examples/integrations/NAME,
# whose address (`https://….example.com`) is ADDRESS.
integration() {
  mkdir -p "$work/manifests"
  cp "$ROOT"/examples/standalone/{jdoe,signing-key}.yaml "$work/manifests"
  sed "s#https://[a-z]*\.example\.com#$2#" "$ROOT/examples/integrations/$1/client.yaml" >"$work/manifests/client.yaml"
  echo "$work/manifests"
}

# secret_of NAME: exports SECRET, the manifest of that client's Secret, once it is written.
secret_of() {
  export SECRET=$work/state/secrets/default.$1-oidc.yaml
  wait_for 20 test -s "$SECRET" || { cat "$work/provider.log"; die "no Secret was written"; }
}

# with_notes: prints a folder with the demo manifests and those of shared/manifests.
with_notes() {
  mkdir -p "$work/manifests"
  cp "$ROOT"/examples/standalone/*.yaml "$here"/../shared/manifests/*.yaml "$work/manifests"
  echo "$work/manifests"
}

# tell COMMAND…: runs the story in the work folder; what the provider logged is shown if it fails.
tell() { cd "$work" && "$@" || { tail -n 50 "$work/provider.log"; exit 1; }; }
