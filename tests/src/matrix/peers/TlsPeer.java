import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIMatcher;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/**
 * TLS by the JDK (JSSE), for the matrix of real peers: clients and servers as its caller asks, many at a time.
 *
 * <p>It reads one order a line on standard input, fields separated by tabs: an id, {@code client} or {@code server},
 * then name=value pairs. It answers {@code id listening PORT} for a server, {@code id ok STATUS-LINE} or
 * {@code id failed ERROR} for a client, and {@code id saw ERROR} for each connection of a server whose handshake
 * failed. It ends with its input.
 *
 * <p>address (of a client: host:port), sni, check (verify the name), trust (CA file), cert and key (files), min and
 * max (1.0 to 1.3), alpn and ciphers (by comma), host (of the request), strict (the one name a server knows).
 */
public final class TlsPeer {
    private static final int PATIENCE_MS = 15_000;
    private static final List<String> VERSIONS = List.of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3");

    private static synchronized void say(String... words) {
        System.out.println(String.join("\t", words).replace("\n", " "));
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        // Old versions must be possible, that they may be refused.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] fields = line.split("\t");
            Map<String, String> ask = new HashMap<>();
            for (int at = 2; at < fields.length; at++) {
                String[] pair = fields[at].split("=", 2);
                ask.put(pair[0], pair[1]);
            }
            start(() -> {
                try {
                    if (fields[1].equals("server")) {
                        server(fields[0], ask);
                    } else {
                        client(fields[0], ask);
                    }
                } catch (Exception error) {
                    say(fields[0], fields[1].equals("server") ? "broken" : "failed", error.toString());
                }
            });
        }
        System.exit(0);
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    private static Certificate[] certificates(String file) throws Exception {
        try (InputStream text = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(text).toArray(new Certificate[0]);
        }
    }

    private static PrivateKey key(String file) throws Exception {
        String text = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
        var spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text));
        try {
            return KeyFactory.getInstance("EC").generatePrivate(spec);
        } catch (java.security.spec.InvalidKeySpecException notElliptic) {
            return KeyFactory.getInstance("RSA").generatePrivate(spec);
        }
    }

    private static SSLContext context(Map<String, String> ask) throws Exception {
        KeyManager[] keys = null;
        if (ask.containsKey("cert")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setKeyEntry("own", key(ask.get("key")), new char[0], certificates(ask.get("cert")));
            KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509");
            factory.init(store, new char[0]);
            keys = factory.getKeyManagers();
        }
        TrustManager[] trust = {new Anyone()};
        if (ask.containsKey("trust")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            int number = 0;
            for (Certificate anchor : certificates(ask.get("trust"))) {
                store.setCertificateEntry("anchor" + number++, anchor);
            }
            TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
            factory.init(store);
            trust = factory.getTrustManagers();
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust, null);
        return context;
    }

    private static void shape(SSLParameters parameters, Map<String, String> ask) {
        int min = VERSIONS.indexOf("TLSv" + ask.getOrDefault("min", "1.2").replace("1.0", "1"));
        int max = VERSIONS.indexOf("TLSv" + ask.getOrDefault("max", "1.3").replace("1.0", "1"));
        parameters.setProtocols(VERSIONS.subList(min, max + 1).toArray(new String[0]));
        if (ask.containsKey("ciphers")) {
            parameters.setCipherSuites(ask.get("ciphers").split(","));
        }
        if (ask.containsKey("alpn")) {
            parameters.setApplicationProtocols(ask.get("alpn").split(","));
        }
    }

    private static void client(String id, Map<String, String> ask) throws Exception {
        String[] address = ask.get("address").split(":");
        try (Socket tcp = new Socket()) {
            tcp.connect(new InetSocketAddress(address[0], Integer.parseInt(address[1])), PATIENCE_MS);
            tcp.setSoTimeout(PATIENCE_MS);
            String peer = ask.getOrDefault("sni", address[0]);
            var factory = context(ask).getSocketFactory();
            try (SSLSocket tls = (SSLSocket) factory.createSocket(tcp, peer, Integer.parseInt(address[1]), true)) {
                SSLParameters parameters = tls.getSSLParameters();
                shape(parameters, ask);
                parameters.setServerNames(
                        ask.containsKey("sni") ? List.of(new SNIHostName(ask.get("sni"))) : List.of());
                if (ask.containsKey("check")) {
                    parameters.setEndpointIdentificationAlgorithm("HTTPS");
                }
                tls.setSSLParameters(parameters);
                tls.startHandshake();
                String request = "GET / HTTP/1.1\r\nHost: " + ask.get("host") + "\r\nConnection: close\r\n\r\n";
                tls.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
                String line = new BufferedReader(new InputStreamReader(tls.getInputStream())).readLine();
                if (line == null) {
                    say(id, "failed", "closed without an answer");
                } else {
                    say(id, "ok", line);
                }
            }
        }
    }

    private static void server(String id, Map<String, String> ask) throws Exception {
        SSLServerSocket listener = (SSLServerSocket)
                context(ask).getServerSocketFactory().createServerSocket(0, 64, InetAddress.getByName("127.0.0.1"));
        SSLParameters parameters = listener.getSSLParameters();
        shape(parameters, ask);
        if (ask.containsKey("trust")) {
            parameters.setNeedClientAuth(true);
        }
        if (ask.containsKey("strict")) {
            List<SNIMatcher> matchers = new ArrayList<>();
            matchers.add(SNIHostName.createSNIMatcher(Pattern.quote(ask.get("strict"))));
            parameters.setSNIMatchers(matchers);
        }
        listener.setSSLParameters(parameters);
        say(id, "listening", Integer.toString(listener.getLocalPort()));
        while (true) {
            SSLSocket tls = (SSLSocket) listener.accept();
            start(() -> answer(id, tls));
        }
    }

    private static void answer(String id, SSLSocket accepted) {
        try (SSLSocket tls = accepted) {
            tls.setSoTimeout(PATIENCE_MS);
            var lines = new BufferedReader(new InputStreamReader(tls.getInputStream()));
            for (String line; (line = lines.readLine()) != null; ) {
                if (line.isEmpty()) {
                    String answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                    tls.getOutputStream().write(answer.getBytes(StandardCharsets.US_ASCII));
                    return;
                }
            }
        } catch (Exception error) {
            say(id, "saw", error.toString());
        }
    }

    /** Believes everyone: for clients that must not be the ones to refuse. */
    private static final class Anyone implements X509TrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String kind) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String kind) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
