//! The program between a client that says what was recorded and a database that answers what was recorded.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::fixture::Exchange;
use crate::harness::hits::{hit_lists, hits, members};
use crate::harness::strict::{Message, bytes_of};
use crate::harness::{Program, Reply, Scripted, Tap, json_of};

/// One of the fields that the proxy asks for; no recorded search does, and no recorded hit has it.
const ASKED: &str = "page_content";

/// What is on: the exchange that is played, and the requests that it has brought to the database.
#[derive(Default)]
struct Scene {
    exchange: Option<Exchange>,
    seen: Vec<Message>,
}

pub struct Stage {
    program: Program,
    database: Tap,
    scene: Arc<Mutex<Scene>>,
    _service: Scripted,
}

/// What the database saw and the client got.
pub struct Taken {
    pub seen: Vec<Message>,
    pub got: Message,
}

impl Stage {
    /// With these lines of configuration and a rerank service that turns every order round.
    pub async fn set(rerank: &str) -> Self {
        let scene = Arc::new(Mutex::new(Scene::default()));
        let script = scene.clone();
        let database = Tap::start(move |request| {
            let mut scene = script.lock().unwrap();
            scene.seen.push(request.clone());
            let exchange = scene.exchange.as_ref().expect("a request belongs to an exchange");
            Reply::Keep(response(exchange, request))
        })
        .await;
        let service = Scripted::start(reversing).await;
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{}\" }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\nproviders:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n{rerank}",
            database.addr, service.addr
        );
        let program = Program::start(&yaml, &[("CO_API_KEY", "key")]).await;
        Self { program, database, scene, _service: service }
    }

    pub fn upstream(&self) -> String {
        self.database.addr.to_string()
    }

    /// Sends the recorded request, with a query text beside it if one is given.
    pub async fn play(&self, exchange: &Exchange, query: Option<&str>) -> Taken {
        *self.scene.lock().unwrap() = Scene { exchange: Some(exchange.clone()), seen: Vec::new() };
        let mut client = self.program.client().await;
        let mut request = exchange.request.clone();
        request.headers.extend(query.map(|text| ("x-rerank-query".to_owned(), text.to_owned())));
        client.send(request.bytes()).await;
        let got = client.response(exchange.method == "HEAD").await;
        let got = got.unwrap_or_else(|| panic!("{}: no whole response", exchange.name));
        Taken { seen: std::mem::take(&mut self.scene.lock().unwrap().seen), got }
    }
}

/// The later a document comes, the better.
fn reversing(request: &str) -> Option<String> {
    let count = json_of(request)["documents"].as_array().map_or(0, Vec::len);
    let score = |index: usize| (index + 1) as f64 / (count + 1) as f64;
    let results: Vec<Value> =
        (0..count).map(|index| json!({"index": index, "relevance_score": score(index)})).collect();
    Some(crate::harness::response(200, "application/json", &json!({"results": results}).to_string()))
}

/// What was recorded; and where the proxy asks for the fields of documents, with a text in each hit, as a database
/// would give it.
fn response(exchange: &Exchange, request: &Message) -> Vec<u8> {
    let recorded = &exchange.response;
    let interim = if exchange.name.contains("expect") { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
    let given = match given_as(exchange, request).filter(|_| recorded.start.contains(" 200 ")) {
        Some((given, asks)) => recorded.plain(with_texts(&recorded.decoded, given, &asks)).bytes(),
        None => recorded.bytes(),
    };
    [bytes_of(interim), given].concat()
}

/// The member of a hit that holds what the proxy has asked for, and which searches ask; `None` if none asks for more
/// than was recorded.
fn given_as(exchange: &Exchange, request: &Message) -> Option<(&'static str, Vec<bool>)> {
    let asks = |text: &str| text.contains(ASKED);
    if asks(&request.start) {
        return Some(("_source", vec![true]));
    }
    let given = if exchange.target.contains("/points/") { "payload" } else { "fields" };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let each: Vec<bool> = match body["searches"].as_array() {
        Some(searches) => searches.iter().map(|search| asks(&search.to_string())).collect(),
        None if exchange.target.contains("_msearch") => {
            let text = request.text();
            text.lines().skip(1).step_by(2).map(asks).collect()
        }
        None => vec![asks(&request.text())],
    };
    each.contains(&true).then_some((given, each))
}

/// `asks` tells of each search whether it asked.
fn with_texts(body: &[u8], given: &str, asks: &[bool]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    for list in hit_lists(body) {
        if !asks.get(list.search).or(asks.first()).unwrap() {
            continue;
        }
        for (place, hit) in hits(body, &list.array).iter().enumerate() {
            let text = format!("\"text {} {place}\"", list.search);
            let text = if given == "fields" { format!("[{text}]") } else { text };
            let own = members(body, hit).unwrap().into_iter().find(|(name, _)| name == given);
            let (object, more) = match own {
                Some((_, object)) => {
                    let comma = if members(body, &object).unwrap().is_empty() { "" } else { "," };
                    (object, format!(r#"{comma}"{ASKED}":{text}"#))
                }
                None => (hit.clone(), format!(r#","{given}":{{"{ASKED}":{text}}}"#)),
            };
            // Behind the last member, as databases print it, not behind the white space after that.
            let inside = body[..object.end - 1].trim_ascii_end().len();
            out.extend_from_slice(&body[at..inside]);
            out.extend_from_slice(more.as_bytes());
            at = inside;
        }
    }
    out.extend_from_slice(&body[at..]);
    out
}
