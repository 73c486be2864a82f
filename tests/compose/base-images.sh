#!/usr/bin/env bash
# Makes the base images that deploy/compose.yaml and deploy/Dockerfile name, under the very same tags, out of Debian's
# packages: for machines that reach Debian but no image registry. What is there already is left alone. Grafana is not
# made: Debian has none. Needs root, debootstrap and docker.
#
#   tests/compose/base-images.sh [CACHE_DIR]     keeps the bare Debian there for the next time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/sallyport-base-images}
# Tells these from pulled ones: docker image ls --filter label=sallyport.made-from-debian
# With a value: older engines take no LABEL without one.
label=sallyport.made-from-debian=true

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'base-images.sh: %s\n' "$*" >&2; exit 1; }
here() { docker image inspect "$1" >/dev/null 2>&1; }
# tag REPOSITORY: the tag that compose.yaml or the Dockerfile asks for, so that the two never drift apart.
tag() {
    local found
    found=$(grep -hoE "(image:|FROM) +$1:[^ ]+" deploy/compose.yaml deploy/Dockerfile | awk '{ print $2; exit }')
    [ -n "$found" ] || stop "neither compose.yaml nor the Dockerfile names $1"
    echo "$found"
}

debian=$(tag debian)
etcd=$(tag quay.io/coreos/etcd)
prometheus=$(tag prom/prometheus)
nginx=$(tag nginx)

bootstrap() {
    command -v debootstrap >/dev/null || stop "debootstrap is missing: apt-get install debootstrap"
    [ "$(id -u)" -eq 0 ] || stop "debootstrap needs root"
    say "bare Debian (debootstrap)"
    local root
    root=$(mktemp -d)
    # shellcheck disable=SC2064 # the path of now is meant
    trap "rm -rf --one-file-system '$root'" EXIT
    debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || {
        tail -n 20 "$root.log" >&2
        stop "debootstrap failed"
    }
    rm -f "$root.log"
    cat >"$root/etc/apt/sources.list" <<SOURCES
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb ${mirror%/debian}/debian-security bookworm-security main
SOURCES
    # As the slim image: no documentation, manuals or translations, neither now nor later.
    printf 'path-exclude /usr/share/%s/*\n' doc man locale info >"$root/etc/dpkg/dpkg.cfg.d/slim"
    find "$root"/usr/share/{doc,man,locale,info} -mindepth 1 -delete
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    mkdir -p "$cache"
    tar -C "$root" --one-file-system --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf "$cache/bookworm.tar.part" .
    mv "$cache/bookworm.tar.part" "$cache/bookworm.tar"
    rm -rf --one-file-system "$root"
    trap - EXIT
}

if ! here "$debian"; then
    [ -s "$cache/bookworm.tar" ] || bootstrap
    say "$debian"
    docker import --change 'CMD ["bash"]' --change "LABEL $label" "$cache/bookworm.tar" "$debian" >/dev/null
fi

# make TAG PACKAGES [DOCKERFILE LINES]: Debian with packages, programs and directories where the public image has them.
make() {
    here "$1" && return
    say "$1"
    # The host's network, as some machines let only that one reach the mirror.
    docker build --quiet --network host --label "$label" --tag "$1" - >/dev/null <<DOCKERFILE
FROM $debian
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \\
    && apt-get update -qq \\
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2 >/dev/null \\
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
$3
DOCKERFILE
}

make "$etcd" 'etcd-server etcd-client' '
RUN ln -s /usr/bin/etcd /usr/bin/etcdctl /usr/local/bin/
EXPOSE 2379 2380
CMD ["/usr/local/bin/etcd"]'
make "$prometheus" 'prometheus' '
RUN mkdir -p /prometheus && chown 65534:65534 /prometheus
USER 65534
WORKDIR /prometheus
VOLUME ["/prometheus"]
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'
make "$nginx" 'nginx-light' '
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]'
