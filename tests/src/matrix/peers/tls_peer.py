"""TLS by Python's ssl module, for the matrix of real peers: clients and servers as its caller asks, many at a time.

It reads one order a line on standard input, fields separated by tabs: an id, `client` or `server`, then name=value
pairs. It answers `id listening PORT` for a server, `id ok STATUS-LINE` or `id failed ERROR` for a client, and
`id saw ERROR` for each connection of a server whose handshake failed. It ends with its input.

address  of a client: host:port          sni      name to send            check    name to verify (with sni only)
trust    CA file                         cert     chain file              key      key file
min, max 1.0 to 1.3                      alpn     protocols, by comma     ciphers  OpenSSL list for TLS 1.2
crl      file of revoked certificates, which is then asked
host     Host of the request             strict   the one name a server knows; another gets the alert `refusal`
"""

import socket
import ssl
import sys
import threading

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
PATIENCE = 15
speaking = threading.Lock()


def say(*words):
    with speaking:
        print("\t".join(words).replace("\n", " "), flush=True)


def context_for(side, ask):
    context = ssl.SSLContext(side)
    context.minimum_version = VERSIONS[ask.get("min", "1.2")]
    context.maximum_version = VERSIONS[ask.get("max", "1.3")]
    if "ciphers" in ask:
        context.set_ciphers(ask["ciphers"])
    if "alpn" in ask:
        context.set_alpn_protocols(ask["alpn"].split(","))
    if "cert" in ask:
        context.load_cert_chain(ask["cert"], ask["key"])
    if "trust" in ask:
        context.load_verify_locations(ask["trust"])
    if "crl" in ask:
        context.load_verify_locations(ask["crl"])
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return context


def read_all(tls):
    answer = b""
    while True:
        try:
            piece = tls.recv(4096)
        except (ConnectionResetError, ssl.SSLEOFError):
            # An end after the answer is an end; without an answer it is the error.
            if answer:
                return answer
            raise
        if not piece:
            return answer
        answer += piece


def client(number, ask):
    context = context_for(ssl.PROTOCOL_TLS_CLIENT, ask)
    context.check_hostname = "check" in ask
    if "trust" not in ask:
        context.verify_mode = ssl.CERT_NONE
    host, port = ask["address"].rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as tcp:
            with context.wrap_socket(tcp, server_hostname=ask.get("sni")) as tls:
                request = f"GET / HTTP/1.1\r\nHost: {ask['host']}\r\nConnection: close\r\n\r\n"
                tls.sendall(request.encode())
                answer = read_all(tls)
        if not answer:
            say(number, "failed", "closed without an answer")
        else:
            say(number, "ok", answer.split(b"\r\n", 1)[0].decode("latin-1"))
    except Exception as error:
        say(number, "failed", f"{type(error).__name__}: {error}")


def answer_one(number, context, tcp):
    try:
        tcp.settimeout(PATIENCE)
        with context.wrap_socket(tcp, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = tls.recv(4096)
                if not piece:
                    return
                request += piece
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    except Exception as error:
        say(number, "saw", f"{type(error).__name__}: {error}")


def server(number, ask):
    context = context_for(ssl.PROTOCOL_TLS_SERVER, ask)
    if "trust" in ask:
        context.verify_mode = ssl.CERT_REQUIRED
    if "strict" in ask:
        context.sni_callback = lambda _tls, name, _context: (
            None if name == ask["strict"] else int(ask["refusal"])
        )
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    say(number, "listening", str(listener.getsockname()[1]))
    while True:
        tcp, _ = listener.accept()
        threading.Thread(target=answer_one, args=(number, context, tcp), daemon=True).start()


def main():
    for line in sys.stdin:
        number, verb, *fields = line.rstrip("\n").split("\t")
        ask = dict(field.split("=", 1) for field in fields)
        run = {"client": client, "server": server}[verb]

        def work(run=run, number=number, ask=ask):
            try:
                run(number, ask)
            except Exception as error:
                say(number, "broken", f"{type(error).__name__}: {error}")

        threading.Thread(target=work, daemon=True).start()


main()
