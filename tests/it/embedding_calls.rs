//! Recorded embedding calls of real clients, and the searches that followed: which text is found by a search's vector.
//!
//! The table of `tests/fixtures/embeddings/README.md` says which belong together.

use std::{collections::BTreeMap, fs, path::PathBuf};

use bytes::Bytes;
use http::{HeaderMap, Method};
use rerankd::{
    dialect::{Dialect, Elastic, qdrant::Qdrant},
    embedding::{
        Memory, MemorySettings, Recalled,
        form::{Form, Prefixes, Remember, Skip},
    },
    search::Head,
};
use serde_json::Value;

/// One message of an exchange: its first line, and its body.
struct Message {
    first: String,
    body: Vec<u8>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embeddings")
}

fn message(client: &str, number: &str, kind: &str) -> Message {
    let bytes = fs::read(folder().join(client).join(format!("{number}.{kind}"))).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = str::from_utf8(&bytes[..end]).unwrap();
    let body = &bytes[end + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Message {
        first: head.lines().next().unwrap().to_owned(),
        body: if chunked { unchunked(body) } else { body.to_vec() },
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(str::from_utf8(&body[..line]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
}

impl Message {
    /// The path and the query of a request's target.
    fn target(&self) -> (&str, Option<&str>) {
        let target = self.first.split(' ').nth(1).unwrap();
        target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
    }
}

/// Every recorded request, by client and number.
fn requests() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for client in
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir())
    {
        for file in fs::read_dir(client.path()).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            if let Some(number) = file.strip_suffix(".request") {
                found.push((client.file_name().into_string().unwrap(), number.to_owned()));
            }
        }
    }
    found.sort();
    found
}

fn form(client: &str) -> Form {
    match client {
        "cohere-python" => Form::Cohere,
        "google-genai-python" => Form::Google,
        "ollama-python" => Form::Ollama,
        "tei-huggingface-hub" => Form::Tei,
        _ => Form::OpenAi,
    }
}

/// The texts of an embedding call with their vectors; `None` if the request is none.
type Pairs = Vec<(String, Vec<f32>)>;

fn pairs(client: &str, number: &str) -> Option<Result<Pairs, Skip>> {
    let (request, response) = (message(client, number, "request"), message(client, number, "response"));
    let call = form(client).call(&Method::POST, request.target().0)?;
    Some(call.read(&request.body, Remember::Auto, &Prefixes::default()).and_then(|asked| {
        let mut pairs = Vec::new();
        let given = asked
            .pairs(&response.body, &mut |text, vector| pairs.push((text.to_owned(), vector.to_vec())))?;
        assert_eq!(given, pairs.len());
        Ok(pairs)
    }))
}

/// The vectors of a recorded search.
fn vectors(client: &str, number: &str) -> Vec<Vec<f32>> {
    let request = message(client, number, "request");
    let (path, query) = request.target();
    let dialect: &dyn Dialect = if path.starts_with("/collections") { &Qdrant } else { &Elastic };
    let head = Head { method: &Method::POST, path, query, headers: &HeaderMap::new() };
    let search = dialect.route(&head).unwrap().endpoint.read(Bytes::from(request.body)).unwrap();
    let searches: Vec<usize> = (0..search.intents().unwrap().len()).collect();
    let mut vectors = Vec::new();
    search.vectors(&searches, &mut |_, vector| vectors.push(vector.to_vec())).unwrap();
    vectors
}

/// A recorded embedding call, by client and number, and what it gives: its texts, each as often as it has a vector.
type Call = (&'static str, &'static str, Result<&'static [&'static str], Skip>);

const CALLS: &[Call] = &[
    ("azure-openai-python", "01", Ok(&["refund"])),
    ("cohere-python", "01", Ok(&["how do I get a refund a"])),
    ("cohere-python", "03", Ok(&["how do I get a refund c"])),
    (
        "cohere-python",
        "05",
        Ok(&["how do I get a refund d", "how do I get a refund d", "how do I get a refund d"]),
    ),
    ("cohere-python", "07", Ok(&["how do I get a refund f"])),
    ("elasticsearch-python", "01", Ok(&["refund 10"])),
    ("elasticsearch-python", "03", Ok(&["refund 1"])),
    ("go-openai", "01", Ok(&["refund 0"])),
    ("google-genai-python", "01", Ok(&["refund for train 2", "x"])),
    ("google-genai-python", "03", Ok(&["refund for train 2\nx"])),
    ("google-genai-python", "04", Ok(&["refund for train"])),
    ("haystack-opensearch", "01", Ok(&["how do I get a\nrefund"])),
    ("langchain-elasticsearch", "01", Ok(&["question for hybrid"])),
    ("langchain-js", "01", Ok(&["how do I get a refund"])),
    ("langchain-openai", "01", Ok(&["how do I get a\nrefund for a late train"])),
    ("langchain-openai", "03", Ok(&["dummy_text"])),
    ("langchain-opensearch", "01", Ok(&["question script"])),
    ("langchain-qdrant-hybrid", "01", Ok(&["hybrid question"])),
    ("langchain-qdrant-hybrid", "03", Ok(&["batch q2"])),
    ("langchain-qdrant-hybrid", "04", Ok(&["batch q1"])),
    ("langchain4j", "01", Ok(&["how do I get a\nrefund"])),
    ("litellm", "01", Ok(&["refund 1"])),
    ("llama-index", "01", Ok(&["a question"])),
    ("llama-index", "02", Ok(&["b question"])),
    ("nvidia", "01", Ok(&["query of nvidia\nline two"])),
    ("nvidia", "02", Err(Skip::Document)),
    ("ollama-python", "01", Ok(&["refund for train"])),
    ("ollama-python", "03", Ok(&["refund 3"])),
    ("openai-js-float32array", "01", Ok(&["refund 5"])),
    ("openai-python", "01", Ok(&["how do I get a refund for a late train"])),
    ("openai-python", "03", Ok(&["\"#$", "%&"])),
    ("openai-python-1.12", "01", Ok(&["refund"])),
    ("qdrant-client", "01", Ok(&["refund 15"])),
    ("qdrant-client", "02", Ok(&["refund 16"])),
    ("qdrant-client", "04", Ok(&["refund 7"])),
    ("qdrant-client", "06", Ok(&["refund 9"])),
    ("qdrant-client-1.7", "01", Ok(&["refund 3"])),
    ("tei-huggingface-hub", "01", Ok(&["refund for train"])),
    ("voyage-python", "01", Ok(&["refund 1"])),
];

#[test]
fn every_recorded_embedding_call_gives_its_texts() {
    let mut given: BTreeMap<(String, String), _> = BTreeMap::new();
    for (client, number) in requests() {
        if let Some(pairs) = pairs(&client, &number) {
            let texts = pairs.map(|pairs| pairs.into_iter().map(|(text, _)| text).collect::<Vec<_>>());
            given.insert((client, number), texts);
        }
    }
    let expected: BTreeMap<_, _> = CALLS
        .iter()
        .map(|(client, number, texts)| {
            let texts = texts.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
            (((*client).to_owned(), (*number).to_owned()), texts)
        })
        .collect();
    assert_eq!(given, expected);
}

#[test]
fn every_documented_embedding_call_of_cohere_gives_its_texts_and_vectors() {
    let files = fs::read_dir(folder().join("cohere-documented")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for path in files {
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let call = Form::Cohere.call(&Method::POST, file["request"]["path"].as_str().unwrap()).unwrap();
        let request = file["request"]["body"].to_string();
        let read = call.read(request.as_bytes(), Remember::Auto, &Prefixes::default());
        let response = file["response"]["body"].to_string();
        let mut given = Vec::new();
        let read = read.and_then(|asked| {
            asked.pairs(response.as_bytes(), &mut |text, vector| {
                given.push((text.to_owned(), vector.to_vec()))
            })
        });
        let expected: Vec<(String, Vec<f32>)> =
            serde_json::from_value(file["expect"]["pairs"].clone()).unwrap_or_default();
        assert_eq!(read.is_ok(), !expected.is_empty(), "{path:?} {read:?}");
        for pair in expected {
            assert!(given.contains(&pair), "{path:?} {pair:?} {given:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 8);
}

/// A row of the fixtures' table.
struct Chain {
    client: String,
    calls: Vec<String>,
    searches: Vec<String>,
    matches: bool,
}

fn chains() -> Vec<Chain> {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| folder"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let numbers = |cell: &str| cell.split(", ").map(str::to_owned).collect::<Vec<_>>();
        (cells[4] != "none kept").then(|| Chain {
            client: cells[1].to_owned(),
            calls: numbers(cells[3]),
            searches: numbers(cells[4]),
            matches: cells[6] != "–",
        })
    })
    .collect()
}

/// What a memory of these calls knows of each vector of these searches.
fn recalled(chain: &Chain, settings: MemorySettings) -> Vec<Recalled> {
    let memory = Memory::new(settings, &[7; 32]);
    for call in &chain.calls {
        for (text, vector) in pairs(&chain.client, call).unwrap().unwrap() {
            assert!(memory.remember(&vector, &text));
        }
    }
    let vectors = chain.searches.iter().flat_map(|search| vectors(&chain.client, search));
    vectors.map(|vector| memory.recall(&vector)).collect()
}

fn is_known(recalled: &Recalled) -> bool {
    matches!(recalled, Recalled::Known(_))
}

#[test]
fn the_vector_of_every_recorded_search_is_that_of_the_text_embedded_before_it() {
    let (mut found, mut missed) = (0, 0);
    for chain in chains() {
        let recalled = recalled(&chain, MemorySettings::default());
        assert!(!recalled.is_empty() || !chain.matches, "{} {:?}", chain.client, chain.searches);
        for recalled in recalled {
            assert_eq!(is_known(&recalled), chain.matches, "{} {:?}", chain.client, chain.searches);
            found += usize::from(chain.matches);
            missed += usize::from(!chain.matches);
        }
    }
    assert_eq!((found, missed), (24, 3));
}

#[test]
fn a_search_with_the_second_of_two_vectors_is_that_of_the_second_text() {
    let chain = chains().into_iter().find(|chain| chain.client == "openai-python" && chain.calls == ["03"]);
    let recalled = recalled(&chain.unwrap(), MemorySettings::default());
    assert!(recalled == [Recalled::Known("%&".to_owned().into())]);
}

#[test]
fn a_tolerant_memory_also_finds_what_an_application_has_cut_and_normalised() {
    let tolerant = MemorySettings { tolerant: true, ..MemorySettings::default() };
    let found: Vec<_> = chains()
        .iter()
        .filter(|chain| !chain.matches && recalled(chain, tolerant.clone()).iter().any(is_known))
        .map(|chain| (chain.client.clone(), chain.searches.clone()))
        .collect();
    assert_eq!(found, [("qdrant-client".to_owned(), vec!["07".to_owned()])]);
}
