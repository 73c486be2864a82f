#!/bin/bash
# Sallyport beside nginx on this machine: requests, and full handshakes with client certificates, for each second of CPU
# the proxy used (user and system, from /proc). One proxy thread each, pinned to CPU 0; backend and load on CPU 1.
# TLS 1.3 only, both give out session tickets (nginx's default), the same P-256 certificate, keep-alive to the same
# backend, no access log. Rounds are interleaved and their order alternates, so that a change of the machine's mood
# meets both.
#
#     benches/peers/run.sh [ROUNDS] [SECONDS]      SALLYPORT=path/to/sallyport HANDSHAKES=path/to/handshakes
#
# Needs wrk, h2load, nginx, openssl, curl, taskset and at least two CPUs. Ends what it started, by process id.
# shellcheck source=../measure.sh
source "$(dirname "$0")/../measure.sh"

rounds=${1:-3}
seconds=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
sallyport=${SALLYPORT:-$root/target/release/sallyport}
handshakes=${HANDSHAKES:-$root/target/release/handshakes}
backend=$base nginx_port=$((base + 1)) nginx_mtls=$((base + 2))
sallyport_port=$((base + 3)) admin=$((base + 4)) metrics=$((base + 5))
key=bench-key-for-one-run-$RANDOM$RANDOM

need wrk h2load nginx openssl curl taskset "$sallyport" "$handshakes"

# Certificates: a CA, localhost's, a client's.
make_ca
issue server localhost 'subjectAltName=DNS:localhost,DNS:mtls.test\nextendedKeyUsage=serverAuth\n'
issue client client 'subjectAltName=DNS:client\nextendedKeyUsage=clientAuth\n'

common="daemon off; error_log stderr error; events { worker_connections 4096; }"
tls="ssl_certificate $dir/server.crt; ssl_certificate_key $dir/server.key; ssl_protocols TLSv1.3;
        ssl_session_cache off; ssl_session_tickets on;
        location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection '';
            proxy_set_header Host \$host; proxy_set_header X-Real-IP \$remote_addr;
            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto \$scheme; }"
cat >"$dir/nginx.conf" <<CONF
$common worker_processes 1; pid $dir/nginx.pid;
http {
    access_log off; keepalive_requests 100000000; client_body_temp_path $dir/n1; proxy_temp_path $dir/n2;
    fastcgi_temp_path $dir/n3; uwsgi_temp_path $dir/n4; scgi_temp_path $dir/n5;
    upstream back { server 127.0.0.1:$backend; keepalive 320; keepalive_requests 100000000; }
    server { listen 127.0.0.1:$nginx_port ssl http2; server_name localhost;
        $tls }
    server { listen 127.0.0.1:$nginx_mtls ssl http2; server_name mtls.test;
        ssl_client_certificate $dir/ca.crt; ssl_verify_client on; ssl_verify_depth 1;
        $tls }
}
CONF

backend "$backend"
taskset -c 0 nginx -p "$dir" -c "$dir/nginx.conf" 2>"$dir/nginx.log" & nginx_pid=$!; started+=("$nginx_pid")
taskset -c 0 "$sallyport" serve --store "embedded:$dir/store" --data-dir "$dir/data" --http off \
    --https 127.0.0.1:$sallyport_port --admin 127.0.0.1:$admin --metrics 127.0.0.1:$metrics --hop off \
    --admin-key "$key" --threads 1 --access-log off --log-level warn \
    >"$dir/sallyport.log" 2>&1 & sallyport_pid=$!; started+=("$sallyport_pid")
await "https://127.0.0.1:$nginx_port/"
await "http://127.0.0.1:$metrics/status/ready"
nginx_worker=$(pgrep -P "$nginx_pid" | head -1)

put() { put_object "$admin" "$1" "$key"; }
crt=$(in_json "$dir/server.crt") pem=$(in_json "$dir/server.key") ca=$(in_json "$dir/ca.crt")
put upstreams/1 <<<"{\"type\":\"roundrobin\",\"nodes\":{\"127.0.0.1:$backend\":1}}"
put routes/1 <<<'{"uri":"/*","upstream_id":"1"}'
put ssls/1 <<<"{\"sni\":\"localhost\",\"cert\":\"$crt\",\"key\":\"$pem\",\"ssl_protocols\":[\"TLSv1.3\"]}"
put ssls/2 <<<"{\"sni\":\"mtls.test\",\"cert\":\"$crt\",\"key\":\"$pem\",\"ssl_protocols\":[\"TLSv1.3\"],
    \"client\":{\"ca\":\"$ca\",\"depth\":1}}"
sleep 0.5
for port in $nginx_port $sallyport_port; do
    answer=$(curl -s --cacert "$dir/ca.crt" "https://localhost:$port/" || true)
    [ "$answer" = "$body" ] || fail "port $port answers: $answer"
done

# Prints how many requests or handshakes were done.
load() { # CASE PORT MTLS_PORT
    case $1 in
    h1) taskset -c 1 wrk -t1 -c64 -d"${seconds}s" "https://localhost:$2/" | awk '/requests in/{print $1}' ;;
    h2) taskset -c 1 h2load -t1 -c16 -m32 -D "$seconds" "https://localhost:$2/" 2>/dev/null |
        sed -n 's/.* \([0-9]*\) succeeded.*/\1/p' ;;
    mtls) taskset -c 1 "$handshakes" "127.0.0.1:$3" mtls.test "$dir/ca.crt" "$dir/client.crt" "$dir/client.key" \
        "$seconds" 8 | awk '{print $2}' ;;
    esac
}

measure() { # CASE PEER ROUND
    local pid=$nginx_worker port=$nginx_port mtls=$nginx_mtls
    [ "$2" = sallyport ] && pid=$sallyport_pid port=$sallyport_port mtls=$sallyport_port
    local ticks_before steal_before done_
    ticks_before=$(ticks "$pid") steal_before=$(stolen)
    done_=$(load "$1" "$port" "$mtls") || fail "$1 against $2 failed"
    note "$1" "$2" "$3" "$done_" $(($(ticks "$pid") - ticks_before)) $(($(stolen) - steal_before)) "$seconds"
}

for round in $(seq "$rounds"); do
    peers=(nginx sallyport)
    [ $((round % 2)) = 0 ] && peers=(sallyport nginx)
    for case in h1 h2 mtls; do
        for peer in "${peers[@]}"; do measure "$case" "$peer" "$round"; done
    done
done

echo
echo 'per cpu-second   nginx median (best)   sallyport median (best)   ratio of medians (of bests)   target'
for row in "h1 0.9" "h2 1.0" "mtls 3.0"; do
    read -r case target <<<"$row"
    echo "$case $(median "$case" nginx) $(median "$case" sallyport) $target"
done | awk '{ printf "%-16s %10.0f (%.0f) %17.0f (%.0f) %17.2f (%.2f) %20s\n", $1, $2, $3, $4, $5, $4/$2, $5/$3, $6 }'
