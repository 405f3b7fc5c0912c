# shellcheck shell=bash
# The container images, made without an engine: the same binaries, user, entrypoint and paths as
# operator/Dockerfile and provider/Dockerfile.

# The names that the chart and examples/quickstart use.
REDIS_TAG=7.0.15
PYTHON_TAG=3.11-slim

# build_binaries: prints the folder with the two programs. IMAGES=release takes the profile that ships;
# otherwise it is the build of the tests, whose features are the union with theirs.
build_binaries() {
  local options=(--workspace --all-targets)
  [ "${IMAGES:-dev}" = dev ] || options=(--workspace --bin oidc-operator --bin oidc-provider --profile "$IMAGES")
  (cd "$ROOT" && cargo build --quiet "${options[@]}") >&2 || return 1
  if [ "${IMAGES:-dev}" = dev ]; then echo "$CARGO_TARGET_DIR/debug"; else echo "$CARGO_TARGET_DIR/$IMAGES"; fi
}

# build_images DIR: operator.tar, provider.tar, redis.tar and python.tar in DIR.
build_images() {
  local out=$1 binaries
  mkdir -p "$out"
  binaries=$(build_binaries) &&
    build_our_image operator run "$binaries" "$out" &&
    build_our_image provider serve "$binaries" "$out" &&
    build_redis_image "$out/redis.tar" &&
    build_python_image "$out/python.tar"
}

# What glibc loads by name at run time: host names (nss), and clean thread exit (libgcc_s).
LIB=/lib/x86_64-linux-gnu
IMAGE_BASE=("$LIB/libnss_dns.so.2=$LIB/libnss_dns.so.2" "$LIB/libnss_files.so.2=$LIB/libnss_files.so.2"
  "$LIB/libresolv.so.2=$LIB/libresolv.so.2" "$LIB/libgcc_s.so.1=$LIB/libgcc_s.so.1"
  "$ROOT/tests/images/nsswitch.conf=/etc/nsswitch.conf" "$ROOT/tests/images/passwd=/etc/passwd"
  "$ROOT/tests/images/group=/etc/group")

# build_our_image PROGRAM COMMAND BINARIES DIR
build_our_image() {
  local program=oidc-$1 tar=$4/$1.tar certificates=/etc/ssl/certs/ca-certificates.crt
  # debug information makes an image ten times as big and is of no use in it
  strip --strip-debug -o "$4/$program" "$3/$program" &&
    python3 "$ROOT/tests/images/image.py" "docker.io/oidc-operator/$1:$(workspace_version)" "$tar" \
      "$4/$program=/usr/local/bin/$program" "$certificates=$certificates" "${IMAGE_BASE[@]}" \
      --entrypoint "/usr/local/bin/$program" --cmd "$2" --user 65532:65532 --dir /tmp:1777 \
      --env "SSL_CERT_FILE=$certificates" --env MIMALLOC_PURGE_DELAY=0 &&
    rm "$4/$program"
}

build_redis_image() {
  python3 "$ROOT/tests/images/image.py" "docker.io/library/redis:$REDIS_TAG" "$1" \
    "$(command -v redis-server)=/usr/local/bin/redis-server" "$(command -v redis-cli)=/usr/local/bin/redis-cli" "${IMAGE_BASE[@]}" \
    --entrypoint /usr/local/bin/redis-server --user 999:999 --dir /data:755:999 --dir /tmp:1777
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
