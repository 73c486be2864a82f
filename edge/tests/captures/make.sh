#!/usr/bin/env bash
# Makes the captures here: real clients and servers on the loopback interface, tcpdump beside them. Needs root, openssl, nginx,
# python3 and tcpdump. The bytes differ from run to run; what the tests read out of them does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out=$PWD
dir=$(mktemp -d)
children=()
trap 'kill "${children[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
port=20100

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
# authority NAME SUBJECT [ISSUER]
authority() {
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    printf 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n' >"$1.ext"
    if [ $# = 3 ]; then
        openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 36500 -extfile "$1.ext" -out "$1.crt"
    else
        openssl x509 -req -in "$1.csr" -signkey "$1.key" -days 36500 -extfile "$1.ext" -out "$1.crt"
    fi
}
# leaf NAME ISSUER SAN FROM TO
leaf() {
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$3" -out "$1.csr"
    touch index.txt
    printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nauthorityKeyIdentifier=keyid\n' "$3" >"$1.cnf"
    openssl ca -batch -config "$1.cnf" -cert "$2.crt" -keyfile "$2.key" -in "$1.csr" -startdate "$4" -enddate "$5" -notext -out "$1.crt"
}
from=20200101000000Z to=21200101000000Z
{
    authority root '/CN=Example Root CA'
    authority middle '/CN=Example Issuing CA' root
    authority other '/CN=Other Root CA'
    leaf good root www.example.com $from $to
    leaf expired root www.example.com $from 20230101000000Z
    leaf below middle www.example.com $from $to
    leaf client root app.example.com $from $to
    leaf stranger other app.example.com $from $to
} >/dev/null 2>&1

cat >client.go <<'END'
package main

import (
	"crypto/tls"
	"os"
)

func main() { tls.Dial("tcp", os.Args[1], &tls.Config{ServerName: "www.example.com"}) }
END
go build -o goclient client.go

# capture FILE [INTERFACE]: from here to the next call.
capture() {
    finish
    rm -f "$out/$1"
    tcpdump -i "${2:-lo}" --immediate-mode -U -s 0 -w "$out/$1" "tcp portrange 20100-20199" 2>tcpdump.log &
    tcpdump=$!
    until grep -q listening tcpdump.log; do sleep 0.1; done
}
finish() {
    [ -n "${tcpdump:-}" ] || return 0
    sleep 0.5
    kill -INT "$tcpdump"
    wait "$tcpdump" || true
    tcpdump=
}
# server CERT ARGS...: an openssl server on the next port.
server() {
    local cert=$1
    shift
    port=$((port + 1))
    openssl s_server -accept 127.0.0.1:$port -cert "$cert.crt" -key "$cert.key" -www "$@" >/dev/null 2>&1 </dev/null &
    children+=($!)
    up
}
up() {
    until grep -q ":$(printf %04X $port) 00000000:0000 0A" /proc/net/tcp; do sleep 0.05; done
}
# client ARGS...
client() {
    (sleep 0.3) | timeout 5 openssl s_client -connect 127.0.0.1:$port -no_ign_eof "$@" >/dev/null 2>&1 || true
}
# peer PYTHON: accepts one connection as `c`.
peer() {
    port=$((port + 1))
    python3 -c "
import socket, struct, time
s = socket.create_server(('127.0.0.1', $port))
c, _ = s.accept()
$1" &
    children+=($!)
    up
}
name=(-servername www.example.com)
strict=(-verify_return_error -CAfile root.crt)
aes=ECDHE-ECDSA-AES128-GCM-SHA256

capture hellos.pcap
server good -tls1_2 -cipher $aes
client "${name[@]}" -tls1_2 "${strict[@]}" -cipher $aes                       # ok
client "${name[@]}" -tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384             # no shared cipher
client "${name[@]}" -tls1_3                                                   # version
client "${name[@]}" -tls1_1 -cipher ALL:@SECLEVEL=0                           # version
server good -tls1_3 -groups P-384 -alpn h2
client "${name[@]}" -groups X25519                                            # no shared group
client "${name[@]}" -groups P-384 -alpn http/1.1                              # no shared protocol
server good -tls1_2 -servername www.example.com -servername_fatal -cert2 good.crt -key2 good.key
client -servername elsewhere.example.com -tls1_2                              # unknown name

capture server_certificates.pcap
server expired -tls1_2
client "${name[@]}" "${strict[@]}" -cipher $aes                               # expired
client "${name[@]}" -cipher $aes                                              # expired, and taken
server good -tls1_2
client -servername shop.example.com "${strict[@]}" -verify_hostname shop.example.com -cipher $aes # name
client "${name[@]}" -verify_return_error -CAfile other.crt -cipher $aes       # untrusted
server below -tls1_2
client "${name[@]}" "${strict[@]}" -cipher $aes                               # incomplete

capture client_certificates.pcap
server good -tls1_2 -Verify 2 -CAfile root.crt -verify_return_error
client "${name[@]}" -cert client.crt -key client.key -cipher $aes             # ok
client "${name[@]}" -cipher $aes                                              # missing
client "${name[@]}" -cert stranger.crt -key stranger.key -cipher $aes         # untrusted

capture tls13.pcap
server good -tls1_3
client "${name[@]}" "${strict[@]}"                                            # ok
client "${name[@]}" -verify_return_error -CAfile other.crt                    # the client refuses
./goclient "127.0.0.1:$port" || true                                          # the same, encrypted

capture tls13_client_certificates.pcap
server good -tls1_3 -Verify 2 -CAfile root.crt -verify_return_error
client "${name[@]}" -cert client.crt -key client.key                          # ok
client "${name[@]}"                                                           # missing
client "${name[@]}" -cert stranger.crt -key stranger.key                      # refused

capture any_interface.pcap any
server good -tls1_2
client "${name[@]}" -verify_return_error -CAfile other.crt -cipher $aes       # untrusted

capture not_tls.pcap
port=$((port + 1))
printf 'daemon off; master_process off; pid %s/pid; error_log stderr;\nevents {}\nhttp { access_log off; server { listen 127.0.0.1:%s ssl; ssl_certificate %s/good.crt; ssl_certificate_key %s/good.key; ssl_reject_handshake off; } }\n' "$dir" $port "$dir" "$dir" >nginx.conf
nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null &
children+=($!)
up
curl -s -o /dev/null http://127.0.0.1:$port/ || true                          # plain HTTP to a port for TLS
curl -s -k -o /dev/null --haproxy-protocol https://127.0.0.1:$port/ || true   # a PROXY header
python3 -c "import socket; socket.create_connection(('127.0.0.1', $port)).close()" # a health check
peer "c.recv(4096); c.sendall(b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'); c.close()"
client "${name[@]}"                                                           # TLS to a port for plain HTTP
peer "c.sendall(b'220 mail.example.com ESMTP\r\n'); c.recv(4096); c.close()"
client "${name[@]}"                                                           # TLS to SMTP
port=20199
client "${name[@]}"                                                           # nobody listens

port=20150
capture ends.pcap
peer "c.recv(4096); c.sendall(bytes.fromhex('15030100020200')); c.close()"
client "${name[@]}" -tls1_2                                                   # a fatal close_notify
peer "c.recv(4096); c.close()"
client "${name[@]}" -tls1_2                                                   # FIN
peer "c.recv(4096); c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close()"
client "${name[@]}" -tls1_2                                                   # RST
peer "c.recv(4096); time.sleep(4); c.recv(1)"
timeout 2 openssl s_client -connect 127.0.0.1:$port "${name[@]}" -tls1_2 </dev/null >/dev/null 2>&1 || true # silence
finish
ls -l "$out"
