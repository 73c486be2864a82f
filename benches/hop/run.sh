#!/bin/bash
# What the hop costs: one process with both roles beside router and processor apart, on this machine. Requests for each
# second of CPU that the proxies used together (user and system, from /proc), answers of 200 bytes and of 1 MB. One thread
# each, all proxies on CPU 0, backend and load on CPU 1; plain HTTP at both doors, so that the hop is what differs. Rounds are
# interleaved and their order alternates.
#
#     benches/hop/run.sh [ROUNDS] [SECONDS]      SALLYPORT=path/to/sallyport
#
# Needs wrk, nginx, etcd, etcdctl, curl, taskset and at least two CPUs. Ends what it started, by process id.
set -euo pipefail

rounds=${1:-3}
seconds=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
sallyport=$(realpath "${SALLYPORT:-$root/target/release/sallyport}")
dir=$(mktemp -d)
started=()
base=$((20000 + RANDOM % 20000))
backend=$base etcd=$((base + 1)) peer=$((base + 2)) together=$((base + 3)) apart=$((base + 4)) hop=$((base + 5))

finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT

fail() {
    echo "run.sh: $*" >&2
    for log in "$dir"/*.log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
    exit 1
}

for tool in wrk nginx etcd etcdctl curl taskset "$sallyport"; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
done
cd "$dir"

small=$(printf 'x%.0s' $(seq 200))
chmod 711 "$dir" # nginx reads as another user
mkdir www && head -c 1000000 /dev/zero >www/large
cat >backend.conf <<CONF
daemon off; error_log stderr error; events { worker_connections 4096; } worker_processes 1; pid $dir/backend.pid;
http {
    access_log off; keepalive_requests 100000000; sendfile on; client_body_temp_path $dir/b1; proxy_temp_path $dir/b2;
    fastcgi_temp_path $dir/b3; uwsgi_temp_path $dir/b4; scgi_temp_path $dir/b5;
    server {
        listen 127.0.0.1:$backend reuseport; root $dir/www;
        location = /small { default_type text/plain; return 200 "$small"; }
    }
}
CONF
taskset -c 1 nginx -p "$dir" -c "$dir/backend.conf" 2>backend.log & started+=($!)
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
        [ "$answer" = "$small" ] && continue 2
        sleep 0.1
    done
    fail "port $port answers: $answer"
done

ticks() { local pid; for pid in "$@"; do awk '{print $14 + $15}' "/proc/$pid/stat"; done | awk '{s += $1} END {print s}'; }

measure() { # CASE WAY ROUND
    local port=$together pids=$together_pids connections=64
    [ "$2" = apart ] && port=$apart pids=$apart_pids
    [ "$1" = large ] && connections=16
    local before done_ used
    # shellcheck disable=SC2086
    before=$(ticks $pids)
    taskset -c 1 wrk -t1 -c$connections -d"${seconds}s" "http://127.0.0.1:$port/$1" >wrk.out
    ! grep -E 'Non-2xx|Socket errors' wrk.out || fail "$1 $2: requests failed"
    done_=$(awk '/requests in/{print $1}' wrk.out)
    # shellcheck disable=SC2086
    used=$(($(ticks $pids) - before))
    [ "${done_:-0}" -gt 0 ] && [ "$used" -gt 0 ] || fail "$1 $2: nothing was done"
    awk -v c="$1" -v w="$2" -v r="$3" -v n="$done_" -v t="$used" -v hz="$(getconf CLK_TCK)" -v d="$seconds" \
        'BEGIN{printf "%-6s %-9s round %s: %8d done, %8.0f/s, cpu %5.2f s, %8.0f per cpu-second\n", c, w, r, n, n/d, t/hz, n*hz/t}' | tee -a results
}

for round in $(seq "$rounds"); do
    ways=(together apart)
    [ $((round % 2)) = 0 ] && ways=(apart together)
    for case in small large; do for way in "${ways[@]}"; do measure $case "$way" "$round"; done; done
done

echo
awk '
    { c = $1; w = $2; v = $(NF-2); n[c,w]++; a[c,w,n[c,w]] = v }
    function median(c, w,   i, j, t, k) {
        k = n[c,w]
        for (i = 1; i <= k; i++) b[i] = a[c,w,i]
        for (i = 1; i <= k; i++) for (j = i + 1; j <= k; j++) if (b[j] < b[i]) { t = b[i]; b[i] = b[j]; b[j] = t }
        return k % 2 ? b[(k+1)/2] : (b[k/2] + b[k/2+1]) / 2
    }
    END {
        print "per cpu-second   together      apart   apart costs, us of CPU a request more"
        split("small large", cases, " ")
        for (i = 1; i <= 2; i++) {
            t = median(cases[i], "together"); p = median(cases[i], "apart")
            printf "%-14s %10.0f %10.0f %12.1f\n", cases[i], t, p, 1e6/p - 1e6/t
        }
    }' results
