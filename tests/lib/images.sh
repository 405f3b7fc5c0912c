# shellcheck shell=bash
# The container images, made without an engine: the same binaries, user, entrypoint and paths as
# operator/Dockerfile and provider/Dockerfile.

# The names that the chart and examples/quickstart use.
REDIS_TAG=7.0.15
PYTHON_TAG=3.11-slim

# build_binaries: prints the folder with the two programs. IMAGES=release takes the profile that ships.
build_binaries() {
  local profile=${IMAGES:-dev} folder=${IMAGES:-debug}
  [ "$profile" = dev ] && folder=debug
  (cd "$ROOT" && cargo build --quiet --workspace --bin oidc-operator --bin oidc-provider --profile "$profile") >&2 || return 1
  echo "$CARGO_TARGET_DIR/$folder"
}

# build_images DIR: operator.tar, provider.tar, redis.tar and python.tar in DIR.
build_images() {
  local out=$1 binaries version program file
  version=$(workspace_version)
  binaries=$(build_binaries) || return 1
  # what glibc loads by name at run time: host names (nss), and clean thread exit (libgcc_s)
  local lib=/lib/x86_64-linux-gnu
  local base=(/etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt
    "$lib/libnss_dns.so.2=$lib/libnss_dns.so.2" "$lib/libnss_files.so.2=$lib/libnss_files.so.2"
    "$lib/libresolv.so.2=$lib/libresolv.so.2" "$lib/libgcc_s.so.1=$lib/libgcc_s.so.1" "$lib/libm.so.6=$lib/libm.so.6"
    "$ROOT/tests/images/nsswitch.conf=/etc/nsswitch.conf" "$ROOT/tests/images/passwd=/etc/passwd"
    "$ROOT/tests/images/group=/etc/group")
  for program in operator provider; do
    file=$out/oidc-$program
    # debug information makes an image ten times as big and is of no use in it
    strip --strip-debug -o "$file" "$binaries/oidc-$program"
    python3 "$ROOT/tests/images/image.py" "docker.io/oidc-operator/$program:$version" "$out/$program.tar" \
      "$file=/usr/local/bin/oidc-$program" "${base[@]}" --entrypoint "/usr/local/bin/oidc-$program" \
      --user 65532:65532 --dir /tmp:1777 --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
  done
  [ -e "$out/redis.tar" ] || python3 "$ROOT/tests/images/image.py" "docker.io/library/redis:$REDIS_TAG" "$out/redis.tar" \
    "$(command -v redis-server)=/usr/local/bin/redis-server" "$(command -v redis-cli)=/usr/local/bin/redis-cli" "${base[@]}" \
    --entrypoint /usr/local/bin/redis-server --user 999:999 --dir /data:755:999 --dir /tmp:1777
  [ -e "$out/python.tar" ] || build_python_image "$out/python.tar"
}

# The quick start's relying party is a Python program; its image is this machine's Python.
build_python_image() {
  local program library
  local python=/usr/bin/python3
  [ -x $python ] || python=python3
  program=$($python -c 'import os, sys; print(os.path.realpath(sys.executable))')
  library=$($python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  python3 "$ROOT/tests/images/image.py" "docker.io/library/python:$PYTHON_TAG" "$1" \
    "$program=$program" "$ROOT/tests/images/passwd=/etc/passwd" "$ROOT/tests/images/nsswitch.conf=/etc/nsswitch.conf" \
    /lib/x86_64-linux-gnu/libnss_dns.so.2=/lib/x86_64-linux-gnu/libnss_dns.so.2 \
    --tree "$library=$library" --link "/usr/local/bin/python3=$program" --entrypoint /usr/local/bin/python3 --dir /tmp:1777
}

# image_sizes DIR: one line for each image.
image_sizes() {
  local tar
  for tar in "$1"/*.tar; do printf '%s %s MB\n' "$(basename "$tar" .tar)" "$(($(stat -c %s "$tar") / 1000000))"; done
}
