#!/usr/bin/env bash
# Everything that must hold before a change is taken, on a fresh Debian 12 with Rust: tools, format, lints, shape, tests.
# The last line of output is the summary of the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
stop() { printf 'run.sh: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        stop "needs root or sudo for: $*"
    fi
}

# Why the test of deploy/compose.yaml is left out; empty if it is not.
skipped=
if ! command -v docker >/dev/null; then
    skipped="there is no docker"
elif ! docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
    skipped="no Docker engine answers"
elif [ "$(id -u)" -ne 0 ]; then
    skipped="it needs root"
fi

# command:package. The tests start etcd and nginx themselves, on ports of their own.
tools=(protoc:protobuf-compiler cc:gcc etcd:etcd-server etcdctl:etcd-client nginx:nginx-light
    openssl:openssl curl:curl python3:python3)
if [ -z "$skipped" ]; then
    # For the images, and to cut containers off from each other.
    tools+=(debootstrap:debootstrap strip:binutils iptables:iptables)
    docker compose version >/dev/null 2>&1 || tools+=(docker-compose:docker-compose)
fi
missing=()
for pair in "${tools[@]}"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
# Without what they recommend, the packages of protoc and gcc lack the files that these read.
[ -e /usr/include/google/protobuf/descriptor.proto ] || ! command -v apt-get >/dev/null || missing+=(libprotobuf-dev)
[ -e /usr/include/stdio.h ] || ! command -v apt-get >/dev/null || missing+=(libc6-dev)
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || stop "please install ${missing[*]}; this system has no apt-get"
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    # Debian starts what it installs. RUNLEVEL=1 makes its scripts leave the services alone; what was not installed
    # by us is not touched.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
    for service in etcd nginx; do
        case " ${missing[*]} " in
            *" $service-"*) as_root systemctl disable --now "$service" >/dev/null 2>&1 || true ;;
        esac
    done
fi
export PATH="$PATH:/usr/sbin:/sbin"

# TLS stacks of others, for the matrix of real peers, which leaves out what is missing.
for pair in gnutls-cli:gnutls-bin go:golang-go javac:default-jdk-headless; do
    command -v "${pair%%:*}" >/dev/null || ! command -v apt-get >/dev/null && continue
    say "installing ${pair#*:}"
    as_root apt-get update -qq || true
    as_root mkdir -p /usr/share/man/man1 # Java's package writes there, and small images have it not
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${pair#*:}" ||
        say "${pair#*:} cannot be installed: the matrix leaves it out"
done

command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
command -v cargo >/dev/null || stop "Rust is missing: see https://rustup.rs"
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
if ! cargo nextest --version >/dev/null 2>&1; then
    say "installing cargo-nextest"
    cargo install cargo-nextest --locked
    PATH="$HOME/.cargo/bin:$PATH"
fi

say "format"
cargo fmt --all --check
say "shape of the source"
tests/shape.sh
say "queries of the dashboard and of the alert rules"
tests/compose/check-queries.py
say "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
say "the program that the black-box tests start"
cargo build --locked --package edge --bin sallyport
say "tests"
[ -z "$skipped" ] || say "SKIPPED: the test of deploy/compose.yaml, since $skipped"
code=0
# Held back, so that the summary is the last line even when failures are listed after it.
output=$(mktemp)
trap 'rm -f "$output"' EXIT
cargo nextest run --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$output" || code=$?
summary=$(sed 's/\x1b\[[0-9;]*m//g' "$output" | grep -E '^ *Summary \[' | tail -n 1) || true
[ "$code" -eq 0 ] && [ "$(sed 's/\x1b\[[0-9;]*m//g' "$output" | tail -n 1)" = "$summary" ] || printf '%s\n' "${summary:-no test ran}"
exit "$code"
