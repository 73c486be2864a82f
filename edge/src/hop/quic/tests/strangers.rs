//! Peers that speak the protocol in their own way: what they may do to a processor, and what not.

use quinn::{Connection, Endpoint, ReadError, ReadToEndError, VarInt};

use super::*;
use crate::hop::quic::{code, settings};
use crate::hop::wire::{self, Ask, Kind, Shape, Terms};

/// A connection of a router's whose streams are written by hand.
async fn connect(address: SocketAddr, pki: &Pki) -> (Endpoint, Connection) {
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let config = settings::client(&pki.client()).unwrap();
    let connecting = endpoint.connect_with(config, address, "127.0.0.1").unwrap();
    let connection = connecting.await.unwrap();
    (endpoint, connection)
}

/// Writes `bytes` on a stream of its own; what came back until its end, or the code it was reset with.
async fn say(connection: &Connection, bytes: &[u8]) -> Result<Vec<u8>, VarInt> {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    match recv.read_to_end(1 << 20).await {
        Ok(answer) => Ok(answer),
        Err(ReadToEndError::Read(ReadError::Reset(code))) => Err(code),
        Err(error) => panic!("{error}"),
    }
}

fn head(bench: &Bench, remaining: Option<Duration>, body: Shape) -> Vec<u8> {
    let request = bench.request("GET", Body::Empty);
    let revision = request.snapshot.revision();
    let terms = Terms {
        revision,
        needs: revision,
        route_version: request.snapshot.route_version("1").unwrap(),
        age: Duration::ZERO,
        remaining,
        body,
    };
    let ask = Ask {
        terms,
        route: "1",
        head: &request.head,
        client: request.client,
        path: "/a",
        upgrade: None,
        expects_continue: false,
    };
    let mut out = Vec::new();
    wire::request(&mut out, &ask).unwrap();
    out
}

#[tokio::test]
async fn nonsense_is_broken_off_and_harms_nobody_else() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let mut bench = Bench::to(&target).await;
        let pki = Pki::new();
        bench.server = serve_with(&bench.cluster, pki.server());
        let (_endpoint, router) = connect(bench.server.address, &pki).await;
        let good = head(&bench, None, Shape::Empty);
        let mut cut = good.clone();
        cut[4] -= 5;
        let mut data_first = Vec::new();
        wire::simple(&mut data_first, Kind::End);
        let answer = {
            let mut out = Vec::new();
            wire::not_taken(&mut out, wire::Refusal::Draining, 1);
            out
        };
        for bad in [&[99, 0][..], &[1, 2, 0, 0], &cut, &data_first, &answer] {
            assert_eq!(say(&router, bad).await, Err(code::PROTOCOL), "{bad:?}");
        }
        assert!(heads.borrow().is_empty());
        // What a later release may add is passed over, before the head and behind it.
        let later = [&[0x90, 1, 7], &good[..], &[0x91, 0]].concat();
        assert!(!say(&router, &later).await.unwrap().is_empty());
        assert_eq!(heads.borrow().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_body_without_its_end_is_cut_even_if_the_stream_ends() {
    on_a_thread(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let kept = seen.clone();
        let target = Target::start(move |mut stream| {
            let kept = kept.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                let (body, _) = read_all(&mut stream).await;
                kept.borrow_mut().push(body);
            }
        })
        .await;
        let mut bench = Bench::to(&target).await;
        let pki = Pki::new();
        bench.server = serve_with(&bench.cluster, pki.server());
        let (_endpoint, router) = connect(bench.server.address, &pki).await;
        let (mut send, mut recv) = router.open_bi().await.unwrap();
        let mut bytes = head(&bench, None, Shape::Stream(None));
        wire::data_header(&mut bytes, 1);
        bytes.push(b'x');
        send.write_all(&bytes).await.unwrap();
        until("it is there", || target.connections.get() == 1).await;
        send.finish().unwrap();
        recv.read_to_end(1 << 20).await.unwrap();
        until("the target saw the end", || !seen.borrow().is_empty()).await;
        assert!(!seen.borrow()[0].ends_with(b"0\r\n\r\n"), "{seen:?}");
    })
    .await;
}

#[tokio::test]
async fn nobody_works_for_a_router_that_has_stopped_waiting() {
    on_a_thread(async {
        let closed = Rc::new(Cell::new(false));
        let seen = closed.clone();
        let target = Target::start(move |mut stream| {
            let seen = seen.clone();
            async move {
                read_all(&mut stream).await;
                seen.set(true);
            }
        })
        .await;
        let mut bench = Bench::to(&target).await;
        let pki = Pki::new();
        bench.server = serve_with(&bench.cluster, pki.server());
        let (_endpoint, router) = connect(bench.server.address, &pki).await;
        let bytes = head(&bench, Some(Duration::from_millis(50)), Shape::Empty);
        assert_eq!(say(&router, &bytes).await, Err(code::CANCELLED));
        until("the target's connection is closed", || closed.get()).await;
    })
    .await;
}

/// A processor that says `bytes` to every request.
async fn saying(bytes: Vec<u8>, pki: &Pki) -> (Endpoint, Lane) {
    let config = settings::server(&pki.server()).unwrap();
    let endpoint = Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap();
    let address = endpoint.local_addr().unwrap();
    let accepting = endpoint.clone();
    spawn_local(async move {
        let connection = accepting.accept().await.unwrap().await.unwrap();
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(10));
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let _ = recv.read(&mut [0; 1]).await;
            let _ = send.write_all(&bytes).await;
            let _ = send.finish();
        }
    });
    let lane = open_lane(address, &pki.client(), &Metrics::new()).await;
    (endpoint, lane.unwrap())
}

#[tokio::test]
async fn a_processor_cannot_make_a_client_take_one_answer_for_another() {
    on_a_thread(async {
        let (target, _) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        let pki = Pki::new();
        for (status, length, body) in [
            (200, "5", Shape::Whole(2)),
            (200, "1", Shape::Whole(2)),
            (200, "5", Shape::Empty),
            (200, "5", Shape::Stream(Some(2))),
            (200, "5", Shape::Stream(None)),
            (200, "1", Shape::Stream(None)),
            (103, "2", Shape::Whole(2)),
            (101, "2", Shape::Whole(2)),
        ] {
            let head = http::Response::builder()
                .status(status)
                .header("content-length", length)
                .body(())
                .unwrap();
            let mut bytes = Vec::new();
            let facts = crate::hop::TargetFacts::default();
            wire::answer(&mut bytes, &head.into_parts().0, body, &facts).unwrap();
            if body != Shape::Empty {
                wire::data_header(&mut bytes, 2);
                bytes.extend_from_slice(b"ok");
                wire::simple(&mut bytes, Kind::End);
            }
            let (_endpoint, lane) = saying(bytes, &pki).await;
            let what = format!("{status} {length} {body:?}");
            match lane.call(bench.request("POST", Body::Empty)).await {
                Outcome::Lost(..) => {}
                // Where the length is found out later, the body is cut.
                Outcome::Answered(response) if body == Shape::Stream(None) => {
                    assert!(response.body.collect().await.is_err(), "{what}");
                }
                other => panic!("{what}: {}", told(&other)),
            }
        }
    })
    .await;
}
