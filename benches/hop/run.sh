#!/bin/bash
# What the hop costs: one process with both roles beside router and processor apart, on this machine. Requests for each
# second of CPU that the proxies used together (user and system, from /proc), answers of 200 bytes and of 1 MB. One thread
# each, all proxies on CPU 0, backend and load on CPU 1; plain HTTP at both doors, so that the hop is what differs. Rounds are
# interleaved and their order alternates.
#
#     benches/hop/run.sh [ROUNDS] [SECONDS]      SALLYPORT=path/to/sallyport
#
# Needs wrk, nginx, etcd, etcdctl, curl, taskset and at least two CPUs. Ends what it started, by process id.
# shellcheck source=../measure.sh
source "$(dirname "$0")/../measure.sh"

rounds=${1:-3}
seconds=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
sallyport=$(realpath "${SALLYPORT:-$root/target/release/sallyport}")
backend=$base etcd=$((base + 1)) peer=$((base + 2)) together=$((base + 3)) apart=$((base + 4)) hop=$((base + 5))

need wrk nginx etcd etcdctl curl taskset "$sallyport"
cd "$dir"

mkdir www && head -c 1000000 /dev/zero >www/large
backend "$backend" "location = /large { root $dir/www; }"
taskset -c 1 etcd --data-dir etcd --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" --log-level error >etcd.log 2>&1 & started+=($!)
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=http://127.0.0.1:$etcd
put() { etcdctl put "/apisix/$1" "$2" >/dev/null; }
for _ in $(seq 100); do
    put upstreams/1 "{\"type\":\"roundrobin\",\"nodes\":{\"127.0.0.1:$backend\":1}}" 2>/dev/null && break
    sleep 0.1
done
put routes/1 '{"uri":"/*","upstream_id":"1"}'

"$sallyport" pki init --dir ca >/dev/null
for role in router processor; do "$sallyport" pki node --dir ca --role $role --name $role --out $role >/dev/null; done
node() { # NAME FLAGS...
    local name=$1
    shift
    taskset -c 0 "$sallyport" serve --node-id "$name" --data-dir "data-$name" --store "etcd://127.0.0.1:$etcd/apisix" \
        --https off --metrics off --threads 1 --access-log off --log-level warn "$@" >"$name.log" 2>&1 &
    started+=($!)
    pid=$!
}
node all --role router,processor --http "127.0.0.1:$together"
together_pids=$pid
node router --role router --hop-tls router --http "127.0.0.1:$apart"
apart_pids=$pid
node processor --role processor --hop-tls processor --http off --hop "127.0.0.1:$hop"
apart_pids="$apart_pids $pid"
for port in $together $apart; do
    for _ in $(seq 100); do
        answer=$(curl -s "http://127.0.0.1:$port/small" || true)
        [ "$answer" = "$body" ] && continue 2
        sleep 0.1
    done
    fail "port $port answers: $answer"
done

measure() { # CASE WAY ROUND
    local port=$together pids=$together_pids connections=64
    [ "$2" = apart ] && port=$apart pids=$apart_pids
    [ "$1" = large ] && connections=16
    local before steal_before done_
    # shellcheck disable=SC2086
    before=$(ticks $pids) steal_before=$(stolen)
    taskset -c 1 wrk -t1 -c$connections -d"${seconds}s" "http://127.0.0.1:$port/$1" >wrk.out
    ! grep -E 'Non-2xx|Socket errors' wrk.out || fail "$1 $2: requests failed"
    done_=$(awk '/requests in/{print $1}' wrk.out)
    # shellcheck disable=SC2086
    note "$1" "$2" "$3" "$done_" $(($(ticks $pids) - before)) $(($(stolen) - steal_before)) "$seconds"
}

for round in $(seq "$rounds"); do
    ways=(together apart)
    [ $((round % 2)) = 0 ] && ways=(apart together)
    for case in small large; do for way in "${ways[@]}"; do measure $case "$way" "$round"; done; done
done

echo
echo 'per cpu-second   together      apart   apart costs, us of CPU a request more'
for case in small large; do
    echo "$case $(median $case together) $(median $case apart)"
done | awk '{ printf "%-14s %10.0f %10.0f %12.1f\n", $1, $2, $4, 1e6/$4 - 1e6/$2 }'
