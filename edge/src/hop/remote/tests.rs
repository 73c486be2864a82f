//! The choice of processors over scripted lanes and a clock that stands still until nothing else moves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use bytes::Bytes;
use control::object::{Kind, ReadContext};
use control::seal::Keyring;
use control::snapshot::{Change, Snapshot};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::*;
use crate::body::Body;
use crate::hop::TargetFacts;
use crate::hop::quic::lane::{LaneError, NotTaken};

/// What scripted processors do, by port.
struct Net {
    up: RefCell<HashSet<u16>>,
    silent: RefCell<HashSet<u16>>,
    /// Single lanes of which nothing is heard, by port and number.
    mute: RefCell<HashSet<(u16, usize)>>,
    replies: RefCell<HashMap<u16, Reply>>,
    lanes: RefCell<Vec<Rc<Scripted>>>,
    /// Port and lane of each request, lanes counted from 0 for each port.
    calls: RefCell<Vec<(u16, usize)>>,
    generation: watch::Sender<u64>,
    /// Lanes below this number, of any port, show what has expired.
    expired: Cell<usize>,
}

#[derive(Clone)]
enum Reply {
    Answer(usize),
    Refuse(NotTaken),
    Lose {
        back: bool,
    },
    /// Until it is wanted back.
    Nothing,
    /// After a second: what requests need beyond this revision it does not have.
    Behind(u64),
}

struct Scripted {
    port: u16,
    number: usize,
    in_flight: Cell<usize>,
    heard: Cell<u64>,
    ended: Cell<bool>,
    given_back: Notify,
    dropped: Cell<bool>,
}

/// A lane of a scripted processor.
struct Wire(Rc<Scripted>, Rc<Net>);

impl Line for Wire {
    type Ends = Rc<Net>;

    fn open(
        to: SocketAddr,
        with: &Rc<Net>,
    ) -> impl Future<Output = Result<Self, LaneError>> + 'static {
        let (net, port) = (Rc::clone(with), to.port());
        async move {
            if !net.up.borrow().contains(&port) {
                return Err(LaneError("down".to_owned()));
            }
            let number = net.of(port).len();
            let lane = Rc::new(Scripted {
                port,
                number,
                in_flight: Cell::default(),
                heard: Cell::default(),
                ended: Cell::default(),
                given_back: Notify::new(),
                dropped: Cell::default(),
            });
            net.lanes.borrow_mut().push(Rc::clone(&lane));
            Ok(Self(lane, net))
        }
    }

    fn generation(with: &Rc<Net>) -> watch::Receiver<u64> {
        with.generation.subscribe()
    }

    fn is_trusted(&self, with: &Rc<Net>) -> bool {
        self.0.number >= with.expired.get()
    }

    async fn call(&self, request: Request) -> Outcome {
        let Self(lane, net) = self;
        net.calls.borrow_mut().push((lane.port, lane.number));
        let reply = net.replies.borrow().get(&lane.port).cloned();
        match reply.unwrap_or(Reply::Answer(2)) {
            Reply::Answer(size) => Outcome::Answered(answer(size)),
            Reply::Refuse(why) => Outcome::NotTaken(why, Box::new(request)),
            Reply::Lose { back } => {
                Outcome::Lost("gone".to_owned(), back.then(|| Box::new(request)))
            }
            Reply::Behind(at) if needed(&request) > at => {
                sleep(Duration::from_secs(1)).await;
                Outcome::NotTaken(NotTaken::Behind(at), Box::new(request))
            }
            Reply::Behind(_) => Outcome::Answered(answer(2)),
            Reply::Nothing => {
                lane.given_back.notified().await;
                Outcome::Lost("silent".to_owned(), Some(Box::new(request)))
            }
        }
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.get()
    }

    fn heard(&self) -> u64 {
        let lane = (self.0.port, self.0.number);
        if !self.1.silent.borrow().contains(&lane.0) && !self.1.mute.borrow().contains(&lane) {
            self.0.heard.set(self.0.heard.get() + 1);
        }
        self.0.heard.get()
    }

    fn give_back(&self) {
        self.0.given_back.notify_waiters();
    }

    fn has_ended(&self) -> bool {
        self.0.ended.get()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.dropped.set(true);
    }
}

fn answer(size: usize) -> Response {
    let (head, ()) = http::Response::new(()).into_parts();
    Response {
        head,
        body: Body::Full(Bytes::from(vec![0; size])),
        tunnel: None,
        target: TargetFacts::default(),
    }
}

impl Net {
    fn new(ports: &[u16]) -> Rc<Self> {
        Rc::new(Self {
            up: RefCell::new([ports, &[9]].concat().into_iter().collect()),
            silent: RefCell::default(),
            mute: RefCell::default(),
            replies: RefCell::default(),
            lanes: RefCell::default(),
            calls: RefCell::default(),
            generation: watch::Sender::new(0),
            expired: Cell::default(),
        })
    }

    fn of(&self, port: u16) -> Vec<Rc<Scripted>> {
        let lanes = self.lanes.borrow();
        lanes.iter().filter(|l| l.port == port).cloned().collect()
    }

    /// Lanes that are kept.
    fn kept(&self, port: u16) -> usize {
        let all = self.of(port);
        all.iter().filter(|l| !l.dropped.get()).count()
    }

    fn says(&self, port: u16, reply: Reply) {
        self.replies.borrow_mut().insert(port, reply);
    }

    /// The ports that were asked since the last time.
    fn asked(&self) -> Vec<u16> {
        self.calls
            .take()
            .into_iter()
            .map(|(port, _)| port)
            .collect()
    }
}

/// A remote of scripted processors with ids `p<port>`, all up.
struct Bench {
    net: Rc<Net>,
    remote: Rc<Remote<Wire>>,
    members: watch::Sender<Arc<[Arc<Member>]>>,
}

fn members(ports: &[u16]) -> Arc<[Arc<Member>]> {
    let member = |id: String, role: &str, port: u16| {
        Arc::new(Member {
            id,
            roles: vec![role.to_owned()],
            addresses: BTreeMap::from([("hop".to_owned(), format!("127.0.0.1:{port}"))]),
            ..Member::default()
        })
    };
    let processors = ports
        .iter()
        .map(|p| member(format!("p{p}"), "processor", *p));
    // A router that says it listens is none to ask.
    processors
        .chain([member("r".to_owned(), "router", 9)])
        .collect()
}

impl Bench {
    async fn new(ports: &[u16]) -> Self {
        let net = Net::new(ports);
        let (sender, receiver) = watch::channel(members(ports));
        let remote = Remote::with(receiver, Metrics::new(), Rc::clone(&net));
        let bench = Self {
            net,
            remote,
            members: sender,
        };
        bench.settle().await;
        bench
    }

    /// Longer than anything but a rest of 30 s and a renewal takes.
    async fn settle(&self) {
        sleep(Duration::from_secs(3)).await;
    }

    async fn send(&self, request: Request) -> Result<Response, String> {
        self.remote
            .call(request)
            .await
            .map_err(|unserved| match unserved {
                Unserved::Failed(failure) => failure.fault.to_string(),
                Unserved::Rematch(_) => "rematch".to_owned(),
            })
    }

    async fn get(&self) -> Result<(), String> {
        self.send(request("GET")).await.map(|_| ())
    }

    /// Whom many requests reach.
    async fn reach(&self) -> HashSet<u16> {
        self.net.asked();
        for _ in 0..50 {
            self.get().await.unwrap();
        }
        self.net.asked().into_iter().collect()
    }

    /// The lane one request takes.
    async fn lane_of(&self, request: Request) -> usize {
        self.net.calls.take();
        self.send(request).await.unwrap();
        self.net.calls.take()[0].1
    }
}

fn request(method: &str) -> Request {
    written_at(1, method)
}

/// A request on a route that was written at `revision`.
fn written_at(revision: u64, method: &str) -> Request {
    let keyring = Keyring::default();
    let context = ReadContext {
        keyring: &keyring,
        env: &|_| None,
    };
    let route =
        br#"{"uri": "/*", "upstream": {"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}}}"#;
    let object = control::object::read(Kind::Route, "1", route, &context).unwrap();
    let route = Change::Set(Kind::Route, "1".into(), object, revision);
    let snapshot = Snapshot::default().apply(revision, vec![route]);
    let head = http::Request::builder().method(method).uri("/");
    Request {
        route: snapshot.route_by_id("1").unwrap().clone(),
        snapshot: Arc::new(snapshot),
        head: head.body(()).unwrap().into_parts().0,
        body: Body::Empty,
        client: ([127, 0, 0, 1], 1).into(),
        path: "/".to_owned(),
        upgrade: None,
        expects_continue: false,
        started: std::time::Instant::now(),
    }
}

fn needed(request: &Request) -> u64 {
    request.snapshot.depends_on(&request.route).unwrap()
}

async fn on_a_thread(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn the_less_busy_one_gets_it() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        assert_eq!(bench.reach().await, HashSet::from([1, 2]));
        bench.net.of(1)[2].in_flight.set(5);
        assert_eq!(bench.reach().await, HashSet::from([2]));
        bench
            .net
            .of(2)
            .iter()
            .for_each(|lane| lane.in_flight.set(2));
        assert_eq!(bench.reach().await, HashSet::from([1]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_one_is_the_last_resort() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        bench.net.silent.borrow_mut().insert(1);
        sleep(Duration::from_millis(900)).await;
        assert_eq!(bench.reach().await, HashSet::from([2]), "within a second");
        bench.members.send_replace(members(&[1]));
        bench.settle().await;
        assert_eq!(
            bench.reach().await,
            HashSet::from([1]),
            "better than nothing"
        );
        bench.members.send_replace(members(&[1, 2]));
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([2]));
        bench.net.silent.borrow_mut().clear();
        sleep(LOOK_EVERY * 2).await;
        assert_eq!(bench.reach().await, HashSet::from([1, 2]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_on_a_silent_one_goes_elsewhere_if_there_is_anybody() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        bench.net.says(1, Reply::Nothing);
        let busy = |on: u16| {
            for (port, n) in [(1, 0), (2, 0), (on, 9)] {
                bench.net.of(port).iter().for_each(|l| l.in_flight.set(n));
            }
        };
        busy(2);
        bench.net.silent.borrow_mut().insert(1);
        timeout_at(Instant::now() + Duration::from_secs(2), bench.get())
            .await
            .expect("it is given back")
            .unwrap();
        assert_eq!(bench.net.asked(), [1, 2]);

        bench.net.silent.borrow_mut().clear();
        bench.members.send_replace(members(&[1]));
        bench.settle().await;
        bench.net.silent.borrow_mut().insert(1);
        timeout_at(Instant::now() + Duration::from_secs(9), bench.get())
            .await
            .expect_err("nobody else would take it");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_silent_lane_of_the_only_processor_is_waited_for() {
    on_a_thread(async {
        let bench = Bench::new(&[1]).await;
        bench.net.says(1, Reply::Nothing);
        let remote = Rc::clone(&bench.remote);
        let waiting = spawn_local(async move { remote.call(request("GET")).await.is_ok() });
        tokio::task::yield_now().await;
        let lane = bench.net.calls.borrow()[0];
        bench.net.mute.borrow_mut().insert(lane);
        bench.settle().await;
        assert!(!waiting.is_finished(), "there is nobody else");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_whose_configuration_is_old_serves_what_is_older() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        bench.net.says(1, Reply::Behind(5));
        let mut waited = 0;
        for n in 0..200 {
            let start = Instant::now();
            bench.send(written_at(7, "GET")).await.unwrap();
            waited += u32::from(start.elapsed() > Duration::ZERO);
            sleep(Duration::from_millis(100)).await;
            assert!(waited <= 6, "{waited} of {n} in vain");
        }
        assert_eq!(bench.reach().await, HashSet::from([1, 2]), "an older route");
        let mut caught_up = members(&[1, 2]).to_vec();
        Arc::make_mut(&mut caught_up[0]).applied_revision = 7;
        bench.net.says(1, Reply::Answer(1));
        bench.members.send_replace(caught_up.into());
        sleep(Duration::from_millis(10)).await;
        bench.net.asked();
        for _ in 0..50 {
            bench.send(written_at(7, "GET")).await.unwrap();
        }
        assert!(bench.net.asked().contains(&1), "as soon as it says so");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_one_does_not_take_another_does() {
    on_a_thread(async {
        for (reason, rest) in [
            (NotTaken::Draining, 30),
            (NotTaken::Overloaded, 1),
            (NotTaken::Behind(3), 1),
            (NotTaken::Unsent("gone".to_owned()), 0),
        ] {
            let bench = Bench::new(&[1, 2]).await;
            bench.net.says(1, Reply::Refuse(reason.clone()));
            let mut post = request("POST");
            post.body = Body::Full(Bytes::from_static(b"x"));
            bench
                .net
                .of(2)
                .iter()
                .for_each(|lane| lane.in_flight.set(9));
            bench.send(post).await.unwrap();
            assert_eq!(bench.net.asked(), [1, 2], "{reason:?}");
            bench
                .net
                .of(2)
                .iter()
                .for_each(|lane| lane.in_flight.set(0));
            bench.net.says(1, Reply::Answer(1));
            let older = matches!(reason, NotTaken::Behind(_));
            if rest > 0 && !older {
                assert_eq!(bench.reach().await, HashSet::from([2]), "{reason:?} rests");
            }
            sleep(Duration::from_secs(rest)).await;
            assert_eq!(
                bench.reach().await,
                HashSet::from([1, 2]),
                "{reason:?} is over"
            );
            assert!(
                bench
                    .remote
                    .metrics
                    .encode()
                    .contains("sallyport_hop_retries_total{reason=")
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_came_back_does_not_rest() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        bench.net.says(1, Reply::Refuse(NotTaken::Draining));
        bench.reach().await;
        bench.net.says(1, Reply::Answer(1));
        bench.net.of(1).iter().for_each(|lane| lane.ended.set(true));
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([1, 2]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn when_nobody_takes_it() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        bench.net.says(1, Reply::Refuse(NotTaken::Behind(3)));
        bench.net.says(2, Reply::Refuse(NotTaken::Behind(4)));
        let text = bench.get().await.unwrap_err();
        assert!(text.starts_with("NoProcessor: "), "{text}");
        for part in [
            "p1 (127.0.0.1:1): is behind, at revision 3",
            "p2",
            "revision 4",
        ] {
            assert!(text.contains(part), "{text}");
        }
        bench.net.says(2, Reply::Refuse(NotTaken::Ahead(9)));
        bench
            .net
            .of(1)
            .iter()
            .for_each(|lane| lane.in_flight.set(9));
        bench.settle().await;
        bench.net.asked();
        assert_eq!(bench.get().await, Err("rematch".to_owned()));
        assert_eq!(bench.net.asked(), [2], "at once");

        let many: Vec<u16> = (1..=7).collect();
        for (reason, most) in [
            (NotTaken::Overloaded, 5),
            (NotTaken::Unsent(String::new()), 5),
        ] {
            let bench = Bench::new(&many).await;
            many.iter()
                .for_each(|p| bench.net.says(*p, Reply::Refuse(reason.clone())));
            bench.get().await.unwrap_err();
            assert_eq!(bench.net.asked().len(), most);
        }
        let bench = Bench::new(&[1]).await;
        bench
            .net
            .says(1, Reply::Refuse(NotTaken::Unsent(String::new())));
        bench.get().await.unwrap_err();
        assert_eq!(bench.net.asked().len(), 5, "another lane of the only one");
        bench.net.says(1, Reply::Refuse(NotTaken::Draining));
        bench.get().await.unwrap_err();
        assert_eq!(bench.net.asked().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_repeated_once_if_that_is_safe() {
    on_a_thread(async {
        let upgrade = || {
            let mut request = request("GET");
            request.upgrade = Some(http::HeaderValue::from_static("websocket"));
            request
        };
        let safe = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];
        let unsafe_ones = ["POST", "PATCH", "CONNECT", "get", "QUERY"];
        let cases = safe.map(|m| (request(m), true, 2)).into_iter();
        let cases = cases.chain(unsafe_ones.map(|m| (request(m), true, 1)));
        for (request, back, asked) in
            cases.chain([(upgrade(), true, 1), (request("GET"), false, 1)])
        {
            let bench = Bench::new(&[1, 2]).await;
            bench.net.says(1, Reply::Lose { back });
            bench
                .net
                .of(2)
                .iter()
                .for_each(|lane| lane.in_flight.set(9));
            let what = format!("{} {:?} {back}", request.head.method, request.upgrade);
            let result = bench.send(request).await.map(|_| ());
            assert_eq!(bench.net.asked().len(), asked, "{what}");
            assert_eq!(result.is_ok(), asked == 2, "{what}");
            if let Err(text) = result {
                let expected = "NoProcessor: the processor was lost while it had the request: p1";
                assert!(text.starts_with(expected), "{text}");
            }
        }
        let bench = Bench::new(&[1, 2, 3]).await;
        (1..=3).for_each(|p| bench.net.says(p, Reply::Lose { back: true }));
        assert!(bench.get().await.unwrap_err().contains("was lost"));
        assert_eq!(bench.net.asked().len(), 2);
        let alone = Bench::new(&[1]).await;
        alone.net.says(1, Reply::Lose { back: true });
        assert!(
            alone
                .get()
                .await
                .unwrap_err()
                .contains("p1 (127.0.0.1:1): lost: gone")
        );
        assert_eq!(alone.net.asked(), [1]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_finishes_and_gets_nothing_new() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        assert_eq!((bench.net.kept(1), bench.net.kept(9)), (4, 0));
        let busy = bench.net.of(1)[1].clone();
        busy.in_flight.set(1);
        bench.members.send_replace(members(&[2]));
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([2]));
        assert!(!busy.dropped.get());
        assert_eq!(bench.net.kept(1), 1);
        busy.in_flight.set(0);
        bench.settle().await;
        assert_eq!(bench.net.kept(1), 0);
        assert_eq!(bench.net.of(1).len(), 4, "none was opened again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_from_the_store_is_used_while_its_connections_live() {
    on_a_thread(async {
        let bench = Bench::new(&[1, 2]).await;
        let without = |id: &str| -> Arc<[Arc<Member>]> {
            let all = members(&[1, 2]);
            all.iter().filter(|m| m.id != id).cloned().collect()
        };
        let mut gone = members(&[1, 2]).to_vec();
        Arc::make_mut(&mut gone[0]).gone_since = Some(Instant::now());
        for entry in [gone.into(), without("p1"), without("p1")] {
            bench.members.send_replace(entry);
            bench.settle().await;
            assert_eq!(bench.reach().await, HashSet::from([1, 2]), "it answers");
        }
        bench.net.up.borrow_mut().remove(&1);
        bench.net.of(1).iter().for_each(|lane| lane.ended.set(true));
        bench.settle().await;
        bench.net.up.borrow_mut().insert(1);
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([2]));
        assert_eq!((bench.net.kept(1), bench.net.of(1).len()), (0, 4));

        // It is back in the list, and then says that it leaves.
        bench.members.send_replace(members(&[1, 2]));
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([1, 2]));
        bench.members.send_replace(without("p1"));
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([2]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_moved_is_another_one() {
    on_a_thread(async {
        let bench = Bench::new(&[1]).await;
        let mut moved = Member::clone(&members(&[2])[0]);
        moved.id = "p1".to_owned();
        bench.net.up.borrow_mut().insert(2);
        bench.members.send_replace([Arc::new(moved)].into());
        bench.settle().await;
        assert_eq!(bench.reach().await, HashSet::from([2]));
        assert_eq!((bench.net.kept(1), bench.net.kept(2)), (0, 4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_lane_is_waited_for() {
    on_a_thread(async {
        let bench = Bench::new(&[]).await;
        let start = Instant::now();
        assert_eq!(
            bench.get().await,
            Err("NoProcessor: no processor is known".to_owned())
        );
        assert_eq!(start.elapsed(), Duration::ZERO);

        bench.members.send_replace(members(&[1]));
        sleep(Duration::from_secs(10)).await;
        let start = Instant::now();
        let text = bench.get().await.unwrap_err();
        assert_eq!(
            text,
            "NoProcessor: no processor is connected: p1 (127.0.0.1:1)"
        );
        assert!(start.elapsed() < FIRST_LANE_WITHIN + LOOK_EVERY);

        let remote = Rc::clone(&bench.remote);
        let waiting = spawn_local(async move { remote.call(request("GET")).await.is_ok() });
        tokio::task::yield_now().await;
        bench.net.up.borrow_mut().insert(1);
        assert!(waiting.await.unwrap());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_router_that_has_just_started_waits_to_hear_of_a_processor() {
    on_a_thread(async {
        let (net, sender) = (Net::new(&[1]), watch::Sender::new(members(&[])));
        let remote = Remote::<Wire>::with(sender.subscribe(), Metrics::new(), net);
        let waiting = spawn_local(async move { remote.call(request("GET")).await.is_ok() });
        tokio::task::yield_now().await;
        sender.send_replace(members(&[1]));
        assert!(waiting.await.unwrap());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_processor_is_waited_for_when_the_old_one_drains() {
    on_a_thread(async {
        let bench = Bench::new(&[1]).await;
        bench.net.says(1, Reply::Refuse(NotTaken::Draining));
        bench.members.send_replace(members(&[1, 2]));
        bench.settle().await;
        let remote = Rc::clone(&bench.remote);
        let waiting = spawn_local(async move { remote.call(request("POST")).await.is_ok() });
        tokio::task::yield_now().await;
        bench.net.up.borrow_mut().insert(2);
        assert!(waiting.await.unwrap());
        assert_eq!(bench.net.asked(), [1, 2]);
    })
    .await;
}

/// A body that says nothing of its length.
fn stream() -> Body {
    struct Unknown;
    impl http_body::Body for Unknown {
        type Data = Bytes;
        type Error = crate::body::BodyError;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(None)
        }
    }
    Body::Stream(Box::pin(Unknown))
}

#[tokio::test(start_paused = true)]
async fn bulk_has_a_lane_of_its_own() {
    on_a_thread(async {
        const BULK_LANE: usize = 3;
        let bench = Bench::new(&[1]).await;
        let body = |body| {
            let mut request = request("POST");
            request.body = body;
            request
        };
        let said = |length: u64| {
            let mut request = body(stream());
            request.head.headers.insert("content-length", length.into());
            request
        };
        let full = |n| body(Body::Full(Bytes::from(vec![0; n])));
        let mut upgrade = request("GET");
        upgrade.upgrade = Some(http::HeaderValue::from_static("websocket"));
        let large = usize::try_from(size::LARGE).unwrap();
        for (request, bulk) in [
            (request("GET"), false),
            (full(large), false),
            (full(large + 1), true),
            (said(size::LARGE), false),
            (said(size::LARGE + 1), true),
            (body(stream()), true),
            (upgrade, true),
        ] {
            assert_eq!(bench.lane_of(request).await == BULK_LANE, bulk);
        }
        bench.net.says(1, Reply::Answer(1 << 20));
        assert_ne!(bench.lane_of(request("GET")).await, BULK_LANE);
        assert_eq!(
            bench.lane_of(request("GET")).await,
            BULK_LANE,
            "its answers are large"
        );
        bench.net.of(1)[BULK_LANE].ended.set(true);
        assert_ne!(
            bench.lane_of(request("GET")).await,
            BULK_LANE,
            "rather any than none"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lanes_that_end_are_opened_again() {
    on_a_thread(async {
        let bench = Bench::new(&[1]).await;
        bench.net.of(1).iter().for_each(|lane| lane.ended.set(true));
        bench.get().await.unwrap();
        bench.settle().await;
        assert_eq!((bench.net.kept(1), bench.net.of(1).len()), (4, 8));
        let net = Rc::clone(&bench.net);
        drop(bench);
        sleep(Duration::from_secs(3)).await;
        assert_eq!((net.kept(1), net.of(1).len()), (0, 8));
        assert_eq!(Rc::strong_count(&net), 1, "no task is left");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_to_an_expired_certificate_is_replaced() {
    on_a_thread(async {
        let bench = Bench::new(&[1]).await;
        let busy = bench.net.of(1)[0].clone();
        busy.in_flight.set(1);
        bench.net.expired.set(4);
        sleep(Duration::from_secs(40)).await;
        assert!(bench.lane_of(request("GET")).await >= 4);
        assert_eq!((bench.net.kept(1), bench.net.of(1).len()), (5, 8));
        assert!(!busy.dropped.get(), "what it has it finishes");
        // The processor has no other certificate.
        bench.net.expired.set(8);
        bench.net.up.borrow_mut().remove(&1);
        sleep(Duration::from_secs(60)).await;
        assert!(bench.get().await.is_err());
        assert_eq!(bench.net.kept(1), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_certificates_make_other_lanes() {
    on_a_thread(async {
        let bench = Bench::new(&[1]).await;
        let busy = bench.net.of(1)[0].clone();
        busy.in_flight.set(1);
        bench.net.generation.send_replace(1);
        bench.settle().await;
        assert_eq!(bench.net.of(1).len(), 8);
        assert!(!busy.dropped.get());
        assert_eq!(bench.net.kept(1), 5);
        assert!(bench.lane_of(request("GET")).await >= 4);
        busy.in_flight.set(0);
        bench.settle().await;
        assert_eq!(bench.net.kept(1), 4);

        bench.net.up.borrow_mut().remove(&1);
        bench.net.generation.send_replace(2);
        bench.settle().await;
        assert_eq!(bench.get().await, Ok(()), "the old ones serve for a while");
        sleep(Duration::from_secs(12)).await;
        assert!(bench.get().await.is_err(), "but not for ever");
        assert_eq!(bench.net.kept(1), 0);
    })
    .await;
}
