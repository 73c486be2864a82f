//! A gRPC-like HTTP/2 target: echoes the request body and ends with trailers.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// A running gRPC-like target.
pub struct GrpcTarget {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    accepting: JoinHandle<()>,
}

impl GrpcTarget {
    /// Cleartext with prior knowledge (`scheme: grpc`), or TLS (`grpcs`).
    pub async fn start(tls: Option<ServerConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let acceptor = tls.map(|mut config| {
            config.alpn_protocols = vec![b"h2".to_vec()];
            TlsAcceptor::from(Arc::new(config))
        });
        let heads = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&heads)));
        Self {
            address,
            heads,
            accepting,
        }
    }

    /// `host:port`.
    pub fn node(&self) -> String {
        self.address.to_string()
    }

    /// Heads of the requests so far.
    pub fn heads(&self) -> Vec<http::request::Parts> {
        self.heads.lock().expect("no holder panics").clone()
    }
}

impl Drop for GrpcTarget {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, heads) = (tls.clone(), Arc::clone(&heads));
        let service = service_fn(move |request| answer(request, Arc::clone(&heads)));
        tokio::spawn(async move {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            match tls {
                None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                }
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    heads.lock().expect("no holder panics").push(head);
    let body = body.collect().await?.to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("grpc-message", HeaderValue::from_static("fine"));
    let body = Full::new(body).with_trailers(std::future::ready(Some(Ok(trailers))));
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(body.boxed()).expect("a valid response"))
}
