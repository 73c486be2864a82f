#!/bin/bash
# What it costs to say why a handshake failed. Two programs beside each other, one before a change and one after it: good
# handshakes with client certificates and keep-alive requests for each second of CPU. Then a flood of handshakes that fail against
# the second one: how many, what memory it takes, and what is left for good traffic meanwhile.
#
#     benches/failures/run.sh [ROUNDS] [SECONDS]      BEFORE=sallyport AFTER=sallyport HANDSHAKES=path/to/handshakes
#
# Needs wrk, nginx, openssl, curl, taskset and at least two CPUs. Ends what it started, by process id.
# shellcheck source=../measure.sh
source "$(dirname "$0")/../measure.sh"

rounds=${1:-3}
seconds=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
after=${AFTER:-$root/target/release/sallyport}
before=${BEFORE:-$after}
handshakes=${HANDSHAKES:-$root/target/release/handshakes}
need wrk nginx openssl curl taskset "$before" "$after" "$handshakes"

make_ca
issue server localhost 'subjectAltName=DNS:localhost,DNS:mtls.test\nextendedKeyUsage=serverAuth\n'
issue client client 'subjectAltName=DNS:client\nextendedKeyUsage=clientAuth\n'
backend "$base"
key=bench-key-for-one-run-$RANDOM$RANDOM
crt=$(in_json "$dir/server.crt") pem=$(in_json "$dir/server.key") ca=$(in_json "$dir/ca.crt")

node() { # NAME PROGRAM HTTPS
    taskset -c 0 "$2" serve --store "embedded:$dir/store-$1" --data-dir "$dir/data-$1" --http off --hop off \
        --https "127.0.0.1:$3" --admin "127.0.0.1:$(($3 + 1))" --metrics "127.0.0.1:$(($3 + 2))" --admin-key "$key" \
        --threads 1 --access-log off --log-level warn >"$dir/$1.log" 2>&1 &
    pid=$!
    started+=("$pid")
    await "http://127.0.0.1:$(($3 + 2))/status/ready"
    local put="put_object $(($3 + 1))"
    $put upstreams/1 "$key" <<<"{\"type\":\"roundrobin\",\"nodes\":{\"127.0.0.1:$base\":1}}"
    $put routes/1 "$key" <<<'{"uri":"/*","upstream_id":"1"}'
    $put ssls/1 "$key" <<<"{\"sni\":\"localhost\",\"cert\":\"$crt\",\"key\":\"$pem\"}"
    $put ssls/2 "$key" <<<"{\"sni\":\"mtls.test\",\"cert\":\"$crt\",\"key\":\"$pem\",\"client\":{\"ca\":\"$ca\",\"depth\":1}}"
    await "https://localhost:$3/"
}
node before "$before" $((base + 10))
before_pid=$pid
node after "$after" $((base + 20))
after_pid=$pid

load() { # CASE PORT
    case $1 in
    keep) taskset -c 1 wrk -t1 -c64 -d"${seconds}s" "https://localhost:$2/" | awk '/requests in/{print $1}' ;;
    mtls) taskset -c 1 "$handshakes" "127.0.0.1:$2" mtls.test "$dir/ca.crt" "$dir/client.crt" "$dir/client.key" \
        "$seconds" 8 | awk '{print $2}' ;;
    esac
}
measure() { # CASE WHO ROUND
    local pid=$before_pid port=$((base + 10)) ticks_before steal_before done_
    [ "$2" = after ] && pid=$after_pid port=$((base + 20))
    ticks_before=$(ticks "$pid") steal_before=$(stolen)
    done_=$(load "$1" "$port") || fail "$1 against $2 failed"
    note "$1" "$2" "$3" "$done_" $(($(ticks "$pid") - ticks_before)) $(($(stolen) - steal_before)) "$seconds"
}
for round in $(seq "$rounds"); do
    order=(before after)
    [ $((round % 2)) = 0 ] && order=(after before)
    for case in mtls keep; do for who in "${order[@]}"; do measure $case "$who" "$round"; done; done
done
echo
echo 'per cpu-second   before median (best)   after median (best)   ratio of medians (of bests)   target'
for case in mtls keep; do
    echo "$case $(median $case before) $(median $case after)"
done | awk '{ printf "%-16s %10.0f (%.0f) %14.0f (%.0f) %18.3f (%.3f) %16s\n", $1, $2, $3, $4, $5, $4/$2, $5/$3, "0.98" }'

# Two floods for thrice the time each, good requests in the middle third: hellos for a name that nobody serves, and clients of
# mtls.test without a certificate, who cost a signature.
port=$((base + 20))
failures() { curl -s "http://127.0.0.1:$((port + 2))/metrics" | awk '/^sallyport_tls_handshake_failures_total/{s += $2} END {printf "%.0f", s}'; }
alone=$(load keep $port)
flood() { # WHAT NAME HOW
    local count memory beside pid
    count=$(failures) memory=$(resident "$after_pid")
    taskset -c 1 "$handshakes" "127.0.0.1:$port" "$2" "$dir/ca.crt" "$3" "$3" $((seconds * 3)) 16 >"$dir/flood.out" &
    pid=$!
    started+=("$pid")
    sleep "$seconds"
    beside=$(load keep $port)
    wait "$pid" || fail "the flood: $(cat "$dir/flood.out")"
    awk -v what="$1" -v n=$(($(failures) - count)) -v d=$((seconds * 3)) -v m="$memory" -v now="$(resident "$after_pid")" \
        -v alone="$alone" -v beside="$beside" -v s="$seconds" -v lines="$(wc -l <"$dir/after.log")" 'BEGIN {
        printf "flood of %s: %d failures, %.0f/s; memory %d MB before, %d MB after; %d log lines so far\n", what, n, n/d, m, now, lines
        printf "    good keep-alive requests: %.0f/s alone, %.0f/s beside it\n", alone/s, beside/s }'
}
echo
flood "unknown names" nobody.test hello
flood "missing certificates" mtls.test none
