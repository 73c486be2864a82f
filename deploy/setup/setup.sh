#!/usr/bin/env bash
# The one-shots of deploy/compose.yaml. Each step does only what is not done yet, so all may run at every start.
#   pki      certificates, keys and passwords, into one directory per reader under /secrets; CA keys stay in /ca
#   renew    new certificates for every node and member, from the same CAs; the old ones are replaced one by one
#   renew-hop-ca   another CA and new certificates for routers and processors; takes half a minute
#   etcd     users, roles and authentication of etcd
#   demo     objects to try it with, through the Admin API
#   show WHAT   client: certificate and key of the demo client; ca: the CA of the demo's server certificate
set -euo pipefail
umask 077

here=$(dirname "${BASH_SOURCE[0]}")
ca=${CA_DIR:-/ca}
secrets=${SECRETS_DIR:-/secrets}
node_uid=10001
grafana_uid=472

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# put FILE: standard input, if the file is not there yet; whole or not at all.
put() {
    [ ! -e "$1" ] || { cat >/dev/null; return 0; }
    mkdir -p "$(dirname "$1")"
    cat >"$1.part"
    mv "$1.part" "$1"
}
random() { openssl rand -hex 24; }

# authority NAME SUBJECT: /ca/NAME.crt and .key, P-256, ten years.
authority() {
    [ ! -e "$ca/$1.crt" ] || return 0
    say "CA $1"
    openssl ecparam -name prime256v1 -genkey -noout -out "$ca/$1.key"
    openssl req -x509 -new -sha256 -days 3650 -key "$ca/$1.key" -subj "/CN=$2" -out "$ca/$1.part" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign"
    mv "$ca/$1.part" "$ca/$1.crt"
}

# leaf CA FILE NAME USAGES [SANS]: FILE.crt and FILE.key, P-256, one year.
leaf() {
    local authority=$1 file=$2 name=$3 usages=$4 sans=${5:-}
    [ -n "${renew:-}" ] || [ ! -e "$file.crt" ] || return 0
    say "certificate $file"
    mkdir -p "$(dirname "$file")"
    openssl ecparam -name prime256v1 -genkey -noout -out "$file.key.part"
    openssl req -new -sha256 -key "$file.key.part" -subj "/CN=$name" -out /tmp/request
    {
        echo "basicConstraints=critical,CA:FALSE"
        echo "keyUsage=critical,digitalSignature"
        echo "extendedKeyUsage=$usages"
        [ -z "$sans" ] || echo "subjectAltName=$sans"
    } >/tmp/extensions
    openssl x509 -req -sha256 -days 365 -in /tmp/request -CA "$ca/$authority.crt" -CAkey "$ca/$authority.key" \
        -set_serial "0x$(openssl rand -hex 16)" -extfile /tmp/extensions -out "$file.crt.part" 2>/dev/null
    own "$file.key.part" "$file.crt.part" "$(dirname "$file")"
    mv "$file.key.part" "$file.key"
    mv "$file.crt.part" "$file.crt"
}

# own PATHS...: to the owner of the directory under /secrets that they are in.
own() {
    local path
    for path in "$@"; do
        case "$path" in
            "$secrets"/router* | "$secrets"/processor* | "$secrets"/control* | "$secrets"/target* | "$secrets"/demo*)
                chown -R "$node_uid:$node_uid" "$path" ;;
            "$secrets"/grafana*) chown -R "$grafana_uid:0" "$path" ;;
        esac
    done
}

# hop ROLE [CA DIRECTORY]: the identity with which routers and processors meet. All nodes of a role share it.
hop() {
    local file
    [ -n "${renew:-}" ] || [ ! -e "$secrets/$1/hop/node.crt" ] || return 0
    say "hop certificate of $1"
    rm -rf /tmp/hop
    sallyport pki node --dir "${2:-$ca/hop}" --role "$1" --name "$1" --out /tmp/hop >/dev/null
    for file in ca.crt node.key node.crt; do
        hop_file "$1" "/tmp/hop/$file"
    done
    rm -rf /tmp/hop
}

# hop_file ROLE FILE: into the role's directory, under its own name, whole or not at all.
hop_file() {
    local to
    to=$secrets/$1/hop/$(basename "$2")
    mkdir -p "$(dirname "$to")"
    cp "$2" "$to.part"
    own "$to.part"
    mv "$to.part" "$to"
}

# Another CA for the hop while nodes serve. After a break it goes on with the CA it made.
renew_hop_ca() {
    local role renew=1 next=$ca/hop-next both=/tmp/both
    [ -e "$next/ca.crt" ] || sallyport pki init --dir "$next" >/dev/null
    rm -rf "$both"
    mkdir "$both"
    cp "$next/ca.key" "$both/"
    cat "$next/ca.crt" "$ca/hop/ca.crt" >"$both/ca.crt"
    say "every node trusts both CAs"
    for role in router processor control; do hop_file "$role" "$both/ca.crt"; done
    until_read
    for role in router processor control; do hop "$role" "$both"; done
    until_read
    say "no node trusts the old CA any more"
    for role in router processor control; do hop_file "$role" "$next/ca.crt"; done
    cp "$next/ca.key" "$next/ca.crt" "$ca/hop/"
    rm -rf "$next" "$both"
}
# Nodes look at their files every five seconds.
until_read() { sleep 15; }

pki() {
    local member role
    authority etcd "Sallyport etcd CA"
    authority etcd-peer "Sallyport etcd peer CA"
    authority demo "Sallyport demo CA"
    [ -e "$ca/hop/ca.crt" ] || sallyport pki init --dir "$ca/hop" >/dev/null

    for member in etcd1 etcd2 etcd3; do
        leaf etcd "$secrets/$member/server" "$member" serverAuth,clientAuth "DNS:$member,DNS:localhost,IP:127.0.0.1"
        leaf etcd-peer "$secrets/$member/peer" "$member" serverAuth,clientAuth "DNS:$member"
        put "$secrets/$member/ca.crt" <"$ca/etcd.crt"
        put "$secrets/$member/peer-ca.crt" <"$ca/etcd-peer.crt"
    done
    leaf etcd "$secrets/operator/client" operator clientAuth
    put "$secrets/operator/ca.crt" <"$ca/etcd.crt"
    for member in root sallyport-node sallyport-control; do
        random | put "$secrets/operator/password-$member"
    done

    openssl rand -base64 32 | put "$ca/keyring"
    for role in router processor control; do
        leaf etcd "$secrets/$role/etcd/client" "sallyport-$role" clientAuth
        put "$secrets/$role/etcd/ca.crt" <"$ca/etcd.crt"
        put "$secrets/$role/keyring" <"$ca/keyring"
        hop "$role"
    done
    put "$secrets/router/etcd/password" <"$secrets/operator/password-sallyport-node"
    put "$secrets/processor/etcd/password" <"$secrets/operator/password-sallyport-node"
    put "$secrets/control/etcd/password" <"$secrets/operator/password-sallyport-control"

    random | put "$secrets/control/admin.key"
    put "$secrets/demo/admin.key" <"$secrets/control/admin.key"
    random | put "$secrets/grafana/password"

    leaf demo "$secrets/demo/server" sallyport.test serverAuth "DNS:sallyport.test,DNS:*.sallyport.test"
    leaf demo "$secrets/demo/client" demo-client clientAuth
    leaf demo "$secrets/demo/gateway" sallyport-gateway clientAuth
    put "$secrets/demo/ca.crt" <"$ca/demo.crt"
    leaf demo "$secrets/target/server" target-mtls serverAuth "DNS:target-mtls"
    put "$secrets/target/ca.crt" <"$ca/demo.crt"

    for role in router processor control target demo grafana; do own "$secrets/$role"; done
}

# ctl ARGS...: etcdctl with a certificate; signed_in ARGS...: as root besides.
ctl() {
    etcdctl --endpoints="${ETCD_ENDPOINTS:-https://etcd1:2379,https://etcd2:2379,https://etcd3:2379}" \
        --cacert="$secrets/operator/ca.crt" --cert="$secrets/operator/client.crt" --key="$secrets/operator/client.key" \
        --command-timeout=10s "$@"
}
signed_in() { ETCDCTL_USER=root ETCDCTL_PASSWORD=$(cat "$secrets/operator/password-root") ctl "$@"; }

# user NAME: with the password of its file and the role of its name.
user() {
    local list
    list=$("$as" user list)
    grep -qx "$1" <<<"$list" || "$as" user add "$1" --interactive=false <"$secrets/operator/password-$1" >/dev/null
    "$as" user grant-role "$1" "$1" >/dev/null
}

# role NAME, then pairs: read|readwrite PREFIX
role() {
    local name=$1 list
    shift
    list=$("$as" role list)
    grep -qx "$name" <<<"$list" || "$as" role add "$name" >/dev/null
    while [ $# -gt 0 ]; do
        "$as" role grant-permission "$name" --prefix=true "$1" "$2" >/dev/null
        shift 2
    done
}

etcd() {
    local as name list
    # Whether there is authentication yet: the certificate's name alone, `operator`, has no rights then.
    as=signed_in
    if ctl role list >/dev/null 2>&1; then
        as=ctl
    fi
    role root
    role sallyport-control readwrite /apisix/ readwrite /apisix-nodes/ readwrite /apisix-tickets/
    role sallyport-node read /apisix/ readwrite /apisix-nodes/ readwrite /apisix-tickets/
    user root
    user sallyport-control
    user sallyport-node
    # Health checks come with a member's certificate, whose name is enough to ask, and every one refused is a line in the log.
    role health read health
    for name in etcd1 etcd2 etcd3; do
        list=$("$as" user list)
        grep -qx "$name" <<<"$list" || "$as" user add "$name" --no-password >/dev/null
        "$as" user grant-role "$name" health >/dev/null
    done
    [ "$as" = signed_in ] || ctl auth enable >/dev/null
    signed_in role list >/dev/null || stop "etcd does not let root in after authentication was enabled"
    say "etcd asks for users and passwords"
}

# pem FILE: as the inside of a JSON string.
pem() { awk '{ printf "%s\\n", $0 }' "$secrets/demo/$1"; }

demo() {
    export SALLYPORT_ADMIN_URL=${SALLYPORT_ADMIN_URL:-http://control:9180} SALLYPORT_ADMIN_KEY_FILE=$secrets/demo/admin.key
    local template
    template=$(cat "$here/demo.json")
    template=${template//@CA@/$(pem ca.crt)}
    template=${template//@SERVER_CERT@/$(pem server.crt)}
    template=${template//@SERVER_KEY@/$(pem server.key)}
    template=${template//@GATEWAY_CERT@/$(pem gateway.crt)}
    template=${template//@GATEWAY_KEY@/$(pem gateway.key)}
    sallyport apply -f - <<<"$template"
}

show() {
    case ${1:-} in
        client) cat "$secrets/demo/client.crt" "$secrets/demo/client.key" ;;
        ca) cat "$secrets/demo/ca.crt" ;;
        *) stop "show what? client or ca" ;;
    esac
}

case ${1:-} in
    pki | etcd | demo) "$1" ;;
    renew) renew=1 pki ;;
    renew-hop-ca) renew_hop_ca ;;
    show) show "${2:-}" ;;
    *) stop "what to do? pki, renew, renew-hop-ca, etcd, demo or show" ;;
esac
