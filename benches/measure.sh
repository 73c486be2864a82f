# shellcheck shell=bash
# What the comparisons share: a directory and processes that go with the script, certificates, CPU time, medians.
# Sourced by run.sh of each; they pin proxies to CPU 0 and backend and load to CPU 1, and interleave their rounds so that a
# change of the machine's mood meets all.
set -euo pipefail

dir=$(mktemp -d)
chmod 711 "$dir" # nginx reads as another user
started=()
body=$(printf 'x%.0s' $(seq 200))
# Ports from here on are the script's.
base=$((20000 + RANDOM % 20000))

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

need() { # TOOLS...
    local tool
    for tool in "$@"; do command -v "$tool" >/dev/null || fail "$tool is missing"; done
}

# A CA, and a certificate of it: NAME SUBJECT EXTENSIONS.
make_ca() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/ca.key"
    openssl req -x509 -new -key "$dir/ca.key" -subj /CN=bench-ca -days 2 -out "$dir/ca.crt"
}
issue() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/$1.key"
    openssl req -new -key "$dir/$1.key" -subj "/CN=$2" -out "$dir/$1.csr"
    printf '%b' "$3" >"$dir/$1.ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
        -extfile "$dir/$1.ext" -out "$dir/$1.crt" 2>/dev/null
}
# A PEM file as the inside of a JSON string.
in_json() { awk '{printf "%s\\n", $0}' "$1"; }

# nginx's configuration of a backend on port $1; further locations are $2.
backend() {
    cat >"$dir/backend.conf" <<CONF
daemon off; error_log stderr error; events { worker_connections 4096; } worker_processes 1; pid $dir/backend.pid;
http {
    access_log off; keepalive_requests 100000000; sendfile on; client_body_temp_path $dir/b1; proxy_temp_path $dir/b2;
    fastcgi_temp_path $dir/b3; uwsgi_temp_path $dir/b4; scgi_temp_path $dir/b5;
    server { listen 127.0.0.1:$1 reuseport; location / { default_type text/plain; return 200 "$body"; } ${2:-} }
}
CONF
    taskset -c 1 nginx -p "$dir" -c "$dir/backend.conf" 2>"$dir/backend.log" &
    started+=($!)
    await "http://127.0.0.1:$1/"
}

await() { # URL
    for _ in $(seq 100); do
        curl -sk -o "$dir/answer" "$1" && return
        sleep 0.1
    done
    fail "$1 does not answer"
}

# An object on standard input, through the Admin API on port $1: RESOURCE KEY.
put_object() {
    local code
    code=$(curl -s -o "$dir/answer" -w '%{http_code}' -X PUT -H "X-API-KEY: $3" --data-binary @- \
        "http://127.0.0.1:$1/apisix/admin/$2")
    [[ $code == 20* ]] || fail "PUT $2: $code $(cat "$dir/answer")"
}

# CPU ticks that processes have used; ticks that the host took from us; a process's resident memory in MB.
ticks() { local pid; for pid in "$@"; do awk '{print $14 + $15}' "/proc/$pid/stat"; done | awk '{s += $1} END {print s}'; }
stolen() { awk '/^cpu /{print $9}' /proc/stat; }
resident() { awk '/^VmRSS/{printf "%.0f", $2 / 1024}' "/proc/$1/status"; }

# One line for a measurement and into results: CASE WHO ROUND DONE TICKS STOLEN SECONDS.
note() {
    [ "${4:-0}" -gt 0 ] && [ "$5" -gt 0 ] || fail "$1 with $2: nothing was done"
    awk -v c="$1" -v p="$2" -v r="$3" -v n="$4" -v t="$5" -v s="$6" -v hz="$(getconf CLK_TCK)" -v d="$7" \
        'BEGIN{printf "%-6s %-9s round %s: %8d done, %8.0f/s, cpu %5.2f s, steal %4.2f s, %8.0f per cpu-second\n",
            c, p, r, n, n/d, t/hz, s/hz, n*hz/t}' | tee -a "$dir/results"
}

# Median and best per CPU-second of CASE and WHO, from results.
median() {
    awk -v c="$1" -v p="$2" '$1 == c && $2 == p { print $(NF-2) }' "$dir/results" | sort -n |
        awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR+1)/2] : (v[NR/2] + v[NR/2+1]) / 2), v[NR] }'
}
