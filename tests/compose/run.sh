#!/usr/bin/env bash
# Runs deploy/compose.yaml from nothing, without an image registry and beside anything else that runs: images are made
# from Debian's packages (base-images.sh) and a program that was built already, names and tags carry the project's
# name, host ports are free ones of 127.0.0.1. Grafana, which Debian lacks, is left out.
#
#   tests/compose/run.sh up PROJECT BINARY     ends when everything is healthy; prints `service port address` lines
#   tests/compose/run.sh ports PROJECT         prints them again, after scaling
#   tests/compose/run.sh compose PROJECT ...   docker compose for this project
#   tests/compose/run.sh image PROJECT BINARY TAG       another image of nodes, PROJECT-something
#   SALLYPORT_VERSION=TAG tests/compose/run.sh roll PROJECT SERVICE...   brings the nodes to it: deploy/roll.sh
#   tests/compose/run.sh down PROJECT          removes containers, volumes, networks and the project's images
# Ends with 77 if there is no Docker engine or the user is not root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'run.sh: %s\n' "$*" >&2; exit 1; }

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
[ $# -ge 2 ] || usage
what=$1 project=$2
shift 2
[[ $project =~ ^[a-z0-9][a-z0-9_-]*$ ]] || stop "$project is no name for a project: small letters, digits, - and _"

docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || {
    echo "run.sh: there is no Docker engine here" >&2
    exit 77
}
if docker compose version >/dev/null 2>&1; then
    tool=(docker compose)
else
    command -v docker-compose >/dev/null || { echo "run.sh: there is no docker compose here" >&2; exit 77; }
    tool=(docker-compose)
fi

[ "$(id -u)" -eq 0 ] || {
    echo "run.sh: needs root, for debootstrap and to cut containers off from each other" >&2
    exit 77
}

# Which image the nodes run: the project's own, or one that was made to upgrade to.
export SALLYPORT_VERSION=${SALLYPORT_VERSION:-$project}
# An address with nothing behind it is a free port.
export SALLYPORT_HTTP_PORTS=127.0.0.1: SALLYPORT_HTTPS_PORTS=127.0.0.1: SALLYPORT_ADMIN_PORT=127.0.0.1:
export PROMETHEUS_PORT=127.0.0.1: GRAFANA_PORT=127.0.0.1:
compose() { "${tool[@]}" -p "$project" -f deploy/compose.yaml "$@"; }
# Quietly unless it fails.
quiet() {
    local log code=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || code=$?
    [ "$code" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$code"
}

# image TAG BINARY: the Dockerfile's first two stages, and the program as it was built on this machine.
image() {
    local tag=$1 dir
    dir=$(mktemp -d)
    strip --strip-all -o "$dir/sallyport" "$2"
    quiet docker build -f deploy/Dockerfile --target runtime -t "sallyport-runtime:$project" .
    quiet docker build -f deploy/Dockerfile --target tools -t "sallyport-tools:$project" .
    printf 'FROM sallyport-runtime:%s\nCOPY sallyport /usr/local/bin/sallyport\n' "$project" |
        quiet docker build -t "sallyport:$tag" -f - "$dir"
    printf 'FROM sallyport-tools:%s\nCOPY sallyport /usr/local/bin/sallyport\n' "$project" |
        quiet docker build -t "sallyport-setup:$tag" -f - "$dir"
    rm -rf "$dir"
    size() { docker image inspect --format '{{.Size}}' "$1"; }
    local base
    base=$(sed -n 's/^FROM \(debian:[^ ]*\) .*/\1/p' deploy/Dockerfile | head -n 1)
    say "sallyport:$tag is $((($(size "sallyport:$tag") - $(size "$base")) / 1000000)) MB over $base"
}

services() { compose config --services | grep -vx grafana; }

# The data directories of nodes are volumes without a name, which compose forgets when it scales down or is stopped
# half-way: kept here for the end.
volumes=${TMPDIR:-/tmp}/sallyport-compose-$project.volumes
remember_volumes() {
    docker ps -aq --filter "label=com.docker.compose.project=$project" |
        xargs -r docker inspect --format '{{range .Mounts}}{{println .Name}}{{end}}' |
        { grep -xE '[0-9a-f]{64}' || true; } >>"$volumes"
}

# All containers of services that have a health check are healthy, and the last one-shot is done.
settled() {
    local id
    for id in $(compose ps -q); do
        docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{with .State.Health}}{{.Status}}{{end}}' "$id"
    done | { ! grep -vqE '^(running [0-9]+ (healthy)?|exited 0 .*)$'; }
}

wait_settled() {
    local deadline=$((SECONDS + 180))
    until settled; do
        [ "$SECONDS" -lt "$deadline" ] || {
            compose ps >&2
            compose logs --tail 30 >&2
            stop "not everything is healthy after 180 s"
        }
        sleep 1
    done
}

# The containers' own ports, then where this machine reaches them.
ports() {
    local id service
    for id in $(compose ps -q); do
        service=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$id")
        docker port "$id" | sed -nE "s|^([0-9]+)/(tcp\|udp) -> (127\.0\.0\.1:[0-9]+)$|$service \1 \3|p"
    done
}

case $what in
    up)
        [ $# -eq 1 ] && [ -x "$1" ] || usage
        say "images"
        tests/compose/base-images.sh
        image "$project" "$1"
        say "up"
        # shellcheck disable=SC2046 # names without spaces
        quiet compose up -d --no-build $(services)
        wait_settled
        ports
        ;;
    ports) wait_settled && ports ;;
    compose)
        remember_volumes
        compose "$@"
        ;;
    image)
        [ $# -eq 2 ] && [ -x "$1" ] || usage
        [[ $2 == "$project"-* ]] || stop "the tag must begin with $project-, so that it is removed with the rest"
        image "$2" "$1"
        ;;
    roll)
        remember_volumes
        COMPOSE_PROJECT_NAME=$project deploy/roll.sh "$@" >&2
        ;;
    down)
        remember_volumes
        quiet compose down --volumes --remove-orphans --timeout 1
        sort -u "$volumes" | xargs -r docker volume rm --force >/dev/null
        rm -f "$volumes"
        for kind in '' -setup -runtime -tools; do
            docker image ls --format '{{.Repository}}:{{.Tag}}' "sallyport$kind" |
                { grep -E ":$project(-|\$)" || true; } | xargs -r docker image rm --force >/dev/null
        done
        ;;
    *) usage ;;
esac
