// TLS by Go's crypto/tls, for the matrix of real peers: clients and servers as its caller asks, many at a time.
//
// It reads one order a line on standard input, fields separated by tabs: an id, `client` or `server`, then name=value
// pairs. It answers `id listening PORT` for a server, `id ok STATUS-LINE` or `id failed ERROR` for a client, and
// `id saw ERROR` for each connection of a server whose handshake failed. It ends with its input.
//
// address of a client: host:port, sni, check (a name to verify), trust (CA file), cert and key (files), min and max
// (1.0 to 1.3), alpn (by comma), host (of the request), strict (the one name a server knows); `ciphers` and `groups`
// are numbers by comma; `insist` shows the certificate whatever CAs the server names; `other_key` is a key file that
// is used in the place of the certificate's own.
package main

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const patience = 15 * time.Second

var speaking sync.Mutex

func say(words ...string) {
	speaking.Lock()
	defer speaking.Unlock()
	fmt.Println(strings.ReplaceAll(strings.Join(words, "\t"), "\n", " "))
}

var versions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

func numbers(list string) (out []uint16, err error) {
	for _, word := range strings.Split(list, ",") {
		number, err := strconv.ParseUint(word, 0, 16)
		if err != nil {
			return nil, err
		}
		out = append(out, uint16(number))
	}
	return out, nil
}

func keyOf(path string) (crypto.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM in " + path)
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

func configFor(ask map[string]string) (*tls.Config, *x509.CertPool, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}
	if version, ok := ask["min"]; ok {
		config.MinVersion = versions[version]
	}
	if version, ok := ask["max"]; ok {
		config.MaxVersion = versions[version]
	}
	if list, ok := ask["alpn"]; ok {
		config.NextProtos = strings.Split(list, ",")
	}
	if list, ok := ask["ciphers"]; ok {
		suites, err := numbers(list)
		if err != nil {
			return nil, nil, err
		}
		config.CipherSuites = suites
	}
	if list, ok := ask["groups"]; ok {
		groups, err := numbers(list)
		if err != nil {
			return nil, nil, err
		}
		for _, group := range groups {
			config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(group))
		}
	}
	if file, ok := ask["cert"]; ok {
		pair, err := tls.LoadX509KeyPair(file, ask["key"])
		if err != nil {
			return nil, nil, err
		}
		if other, ok := ask["other_key"]; ok {
			if pair.PrivateKey, err = keyOf(other); err != nil {
				return nil, nil, err
			}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	var pool *x509.CertPool
	if file, ok := ask["trust"]; ok {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		pool = x509.NewCertPool()
		pool.AppendCertsFromPEM(text)
	}
	return config, pool, nil
}

func client(id string, ask map[string]string) error {
	config, pool, err := configFor(ask)
	if err != nil {
		return err
	}
	config.RootCAs = pool
	config.ServerName = ask["sni"]
	_, checks := ask["check"]
	config.InsecureSkipVerify = !checks
	if _, ok := ask["insist"]; ok {
		pair := config.Certificates[0]
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	tcp, err := net.DialTimeout("tcp", ask["address"], patience)
	if err != nil {
		return err
	}
	defer tcp.Close()
	if err = tcp.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	wire := tls.Client(tcp, config)
	if _, err = fmt.Fprintf(wire, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", ask["host"]); err != nil {
		return err
	}
	line, err := bufio.NewReader(wire).ReadString('\n')
	if err != nil {
		return err
	}
	wire.Close()
	say(id, "ok", strings.TrimSpace(line))
	return nil
}

func answerOne(id string, config *tls.Config, tcp net.Conn) {
	defer tcp.Close()
	if tcp.SetDeadline(time.Now().Add(patience)) != nil {
		return
	}
	wire := tls.Server(tcp, config)
	if err := wire.Handshake(); err != nil {
		say(id, "saw", err.Error())
		return
	}
	reader := bufio.NewReader(wire)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				say(id, "saw", err.Error())
			}
			return
		}
		if line == "\r\n" {
			break
		}
	}
	fmt.Fprint(wire, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	wire.Close()
}

func server(id string, ask map[string]string) error {
	config, pool, err := configFor(ask)
	if err != nil {
		return err
	}
	if pool != nil {
		config.ClientCAs = pool
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if strict, ok := ask["strict"]; ok {
		pair := config.Certificates[0]
		config.Certificates = nil
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == strict {
				return &pair, nil
			}
			return nil, nil
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say(id, "listening", strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	for {
		tcp, err := listener.Accept()
		if err != nil {
			return err
		}
		go answerOne(id, config, tcp)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		ask := map[string]string{}
		for _, field := range fields[2:] {
			name, value, _ := strings.Cut(field, "=")
			ask[name] = value
		}
		run := client
		word := "failed"
		if fields[1] == "server" {
			run, word = server, "broken"
		}
		go func() {
			if err := run(fields[0], ask); err != nil {
				say(fields[0], word, err.Error())
			}
		}()
	}
}
