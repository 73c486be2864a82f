#!/usr/bin/env bash
# Builds Sallyport and runs it in the foreground with the embedded store: the first command of README.
# Works on a fresh Debian 12 with Rust; arguments are passed on to `sallyport serve`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
stop() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        stop "needs root or sudo for: $*"
    fi
}

# protoc makes the etcd client's messages; a C compiler builds the crypto library.
missing=()
command -v protoc >/dev/null || missing+=(protobuf-compiler)
[ -e /usr/include/google/protobuf/descriptor.proto ] || ! command -v apt-get >/dev/null || missing+=(libprotobuf-dev)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || stop "please install ${missing[*]}; this system has no apt-get"
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# rustup puts cargo here; a shell that was open before does not know.
command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
command -v cargo >/dev/null || stop "Rust is missing: see https://rustup.rs"

# PROFILE=release links with fat LTO: some per cent faster at run time, much slower to build.
profile=${PROFILE:-quick}
say "building (profile $profile; the first time takes a few minutes)"
cargo build --locked --profile "$profile" --package edge --bin sallyport
target=${CARGO_TARGET_DIR:-target}

cat >&2 <<TEXT

Starting Sallyport, unless flags say otherwise:
  clients      http://127.0.0.1:9080  https://127.0.0.1:9443
  Admin API    http://127.0.0.1:9180/apisix/admin
  metrics      http://127.0.0.1:9091/metrics   readiness http://127.0.0.1:9091/status/ready
  admin key    ./sallyport-data/admin.key:  admin_key=\$(head -n 1 $PWD/sallyport-data/admin.key)
Its own log follows on standard error, a line a request on standard output. Ctrl-C drains and ends it.

TEXT
exec "$target/$profile/sallyport" serve "$@"
