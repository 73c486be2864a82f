#!/usr/bin/env bash
# Brings nodes of deploy/compose.yaml to another image or configuration one by one: a new one starts and becomes ready,
# then an old one drains and goes.
#
#   SALLYPORT_VERSION=1.2.3 deploy/roll.sh processor router control
#
# Routers need a free port of each of their ranges meanwhile. control, whose port is one, is replaced in place: its API
# is away for some seconds, traffic is not. Project and files are taken from COMPOSE_PROJECT_NAME and COMPOSE_FILE.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'roll.sh: %s\n' "$*" >&2; exit 1; }

export COMPOSE_FILE=${COMPOSE_FILE:-deploy/compose.yaml}
if docker compose version >/dev/null 2>&1; then
    compose() { docker compose "$@"; }
else
    compose() { docker-compose "$@"; }
fi

# wait_healthy SERVICE COUNT: so many containers of it, and all of them healthy.
wait_healthy() {
    local deadline=$((SECONDS + 120)) ids healthy
    while :; do
        ids=$(compose ps -q "$1")
        healthy=$(xargs -r docker inspect --format '{{.State.Health.Status}}' <<<"$ids" | grep -cx healthy || true)
        [ "$healthy" -lt "$2" ] || return 0
        [ "$SECONDS" -lt "$deadline" ] || stop "$1: $healthy of $2 are healthy after 120 s; the old ones that are left go on"
        sleep 1
    done
}

roll() {
    local service=$1 old count id
    old=$(compose ps -q "$service")
    count=$(wc -w <<<"$old")
    [ "$count" -gt 0 ] || stop "$service does not run"
    if [ "$service" = control ]; then
        say "control"
        compose up -d --no-deps --force-recreate control
        wait_healthy control 1
        return
    fi
    for id in $old; do
        say "$service: another one for ${id:0:12}"
        compose up -d --no-deps --no-recreate --scale "$service=$((count + 1))" "$service"
        wait_healthy "$service" $((count + 1))
        # More than SALLYPORT_DRAIN_TIMEOUT.
        docker stop -t 40 "$id" >/dev/null
        docker rm --volumes "$id" >/dev/null
    done
}

[ $# -gt 0 ] || stop "which services? processor, router or control"
for service in "$@"; do
    case $service in
        router | processor | control) roll "$service" ;;
        *) stop "$service is none of processor, router, control" ;;
    esac
done
