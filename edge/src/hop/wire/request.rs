//! The head of a request.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, request};

use super::frame::{self, Kind};
use super::number::{self, Input};
use super::{MAY_IGNORE, Shape, WireError, facts, fields};

/// Fields that a request need not have.
const UPGRADE: u8 = 1;
const REMAINING: u8 = MAY_IGNORE | 1;

/// What the hop adds to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Revision of the Snapshot the request was matched in; for the log.
    pub revision: u64,
    /// The processor's Snapshot must not be older than this.
    pub needs: u64,
    /// Revision of the route it was matched with.
    pub route_version: u64,
    /// How long ago the request's head was complete. Microseconds.
    pub age: Duration,
    /// How long the router waits for the head of an answer, if it has a bound. Microseconds.
    pub remaining: Option<Duration>,
    /// How its body comes.
    pub body: Shape,
}

/// A request to be written.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// See [`Terms`].
    pub terms: Terms,
    /// Id of the route.
    pub route: &'a str,
    /// Method, target, version, headers.
    pub head: &'a request::Parts,
    /// The client.
    pub client: SocketAddr,
    /// Decoded, normalised path.
    pub path: &'a str,
    /// Token of an upgrade.
    pub upgrade: Option<&'a HeaderValue>,
    /// The body waits for CONTINUE.
    pub expects_continue: bool,
}

/// A request that was read; fields as in [`Ask`].
#[derive(Debug)]
#[allow(missing_docs, reason = "as in Ask")]
pub struct Received {
    pub terms: Terms,
    pub route: String,
    pub head: request::Parts,
    pub client: SocketAddr,
    pub path: String,
    pub upgrade: Option<HeaderValue>,
    pub expects_continue: bool,
}

/// Appends a REQUEST frame.
///
/// # Errors
/// [`WireError::TooLong`]; `out` is as it was.
pub fn request(out: &mut Vec<u8>, ask: &Ask<'_>) -> Result<(), WireError> {
    frame::write(out, Kind::Request, |out| encode(out, ask))
}

fn encode(out: &mut Vec<u8>, ask: &Ask<'_>) -> Result<(), WireError> {
    let terms = &ask.terms;
    number::put(out, terms.revision);
    number::put(out, terms.needs);
    number::put(out, terms.route_version);
    number::put(out, micros(terms.age));
    put_shape(out, terms.body);
    out.push(u8::from(ask.expects_continue));
    number::put_bytes(out, ask.route.as_bytes());
    put_client(out, ask.client);
    number::put_bytes(out, ask.path.as_bytes());
    out.push(fields::version_code(ask.head.version));
    number::put_bytes(out, ask.head.method.as_str().as_bytes());
    let uri = &ask.head.uri;
    match uri.path_and_query() {
        Some(target) if uri.authority().is_none() => {
            number::put_bytes(out, target.as_str().as_bytes());
        }
        _ => number::put_bytes(out, uri.to_string().as_bytes()),
    }
    fields::encode(out, &ask.head.headers)?;
    if let Some(token) = ask.upgrade {
        number::put_tagged(out, UPGRADE, token.as_bytes());
    }
    if let Some(remaining) = terms.remaining {
        let mut value = Vec::with_capacity(8);
        number::put(&mut value, micros(remaining));
        number::put_tagged(out, REMAINING, &value);
    }
    Ok(())
}

/// The payload of a REQUEST frame.
///
/// # Errors
/// [`WireError`].
pub fn decode_request(payload: Bytes) -> Result<Received, WireError> {
    let mut input = Input(payload);
    let mut terms = Terms {
        revision: input.number("a revision")?,
        needs: input.number("a revision")?,
        route_version: input.number("a revision")?,
        age: Duration::from_micros(input.number("an age")?),
        remaining: None,
        body: shape(&mut input)?,
    };
    if terms.body == Shape::Tunnel {
        return Err(WireError::Malformed("a request's body"));
    }
    let expects_continue = input.flag("an expectation")?;
    let route = input.text("a route")?;
    let client = client(&mut input)?;
    let path = input.text("a path")?;
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.version = fields::version(&mut input)?;
    head.method = Method::from_bytes(&input.bytes("a method")?)
        .map_err(|_| WireError::Malformed("a method"))?;
    head.uri = Uri::from_maybe_shared(input.bytes("a target")?)
        .map_err(|_| WireError::Malformed("a target"))?;
    head.headers = fields::read(&mut input)?;
    let mut upgrade = None;
    input.tagged(|tag, value| {
        match tag {
            UPGRADE => upgrade = Some(fields::value(value.0.clone())?),
            REMAINING => terms.remaining = Some(Duration::from_micros(value.number("a time")?)),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Received {
        terms,
        route,
        head,
        client,
        path,
        upgrade,
        expects_continue,
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn put_client(out: &mut Vec<u8>, client: SocketAddr) {
    facts::put_address(out, Some(client.ip()));
    out.extend_from_slice(&client.port().to_be_bytes());
}

fn client(input: &mut Input) -> Result<SocketAddr, WireError> {
    let ip: IpAddr = facts::address(input)?.ok_or(WireError::Malformed("an address"))?;
    let port = u16::from_be_bytes([input.byte("a port")?, input.byte("a port")?]);
    Ok((ip, port).into())
}

/// Appends how a body comes.
pub(super) fn put_shape(out: &mut Vec<u8>, shape: Shape) {
    let (code, length) = match shape {
        Shape::Empty => (0, 0),
        Shape::Whole(n) => (1, n),
        Shape::Stream(None) => (2, 0),
        Shape::Stream(Some(n)) => (3, n),
        Shape::Tunnel => (4, 0),
    };
    out.push(code);
    number::put(out, length);
}

pub(super) fn shape(input: &mut Input) -> Result<Shape, WireError> {
    let code = input.byte("a body's kind")?;
    let length = input.number("a body's length")?;
    match code {
        0 => Ok(Shape::Empty),
        1 => Ok(Shape::Whole(length)),
        2 => Ok(Shape::Stream(None)),
        3 => Ok(Shape::Stream(Some(length))),
        4 => Ok(Shape::Tunnel),
        _ => Err(WireError::Malformed("a body's kind")),
    }
}
