//! Whatever a client writes into a target reaches the database byte for byte, unless it could be read in two ways.

use crate::harness::strict::{bytes_of, latin1};
use crate::harness::{Program, Reply, Scripted, Tap, json_of};

/// Targets, one character a byte.
fn odd() -> Vec<String> {
    let all: String = (0x21..=0xff_u8).filter(|byte| *byte != 0x7f).map(char::from).collect();
    let mut targets: Vec<String> = [
        "/i/_search?q=title:\"red+shoes\"",
        "/i/_search?q=a<b>c",
        "/i/_doc/\"1\"",
        "/<a>/`b`/{c}|d^e\\f",
        "/a?b=\"c\"&d=%22e%22&f=%zz",
        "/a#b?c#d",
        "/a?b#c",
        "/i/_search?q=a#b",
        "/caf\u{e9}?q=\u{ff}\u{80}",
        "/\"",
        "/?\"",
        "//\"//",
        "/!a!?!b!\"",
        "/collections/\"c\"/points/query",
        "/i/_msearch?\"",
    ]
    .map(str::to_owned)
    .into();
    targets.push(latin1("/\u{4f60}\u{597d}?q=\u{4f60}\u{1f45f}".as_bytes()));
    targets.push(format!("/{all}?{all}"));
    targets.push(format!("/?{}", "\"".repeat(20_000)));
    targets
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nX: \"<{{\u{e9}\r\n\r\n")
}

/// The targets that have reached the database.
async fn arrived(database: Tap) -> Vec<String> {
    let mut targets = Vec::new();
    for transcript in database.finish().await {
        let transcript = latin1(&transcript);
        let lines = transcript.split("\r\n").filter(|line| line.ends_with(" HTTP/1.1"));
        targets.extend(lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()));
    }
    targets
}

#[tokio::test]
async fn every_byte_reaches_the_database() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    for target in odd() {
        client.send(bytes_of(&get(&target))).await;
        let response = client.response(false).await.unwrap();
        assert_eq!(response.header("x-responses"), Some(&*format!("GET {target}")));
    }
    drop(client);
    program.stop().await;
    assert_eq!(arrived(database).await, odd());
}

#[tokio::test]
async fn absolute_targets_and_bodies_are_no_different() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    let mut sent = Vec::new();
    for target in odd() {
        for (authority, own) in
            [("http://a:1", target.as_str()), ("HTTP://[::1]", &target), ("http://a", "?\"")]
        {
            for (head, body) in [
                ("", ""),
                ("Content-Length: 12\r\n", "GET /\" HTTP/"),
                ("Transfer-Encoding: chunked\r\n", "5\r\nGET /\r\n3\r\n\"\r\n\r\n0\r\n\r\n"),
            ] {
                let request = format!("POST {authority}{own} HTTP/1.1\r\nHost: b\r\n{head}\r\n{body}");
                client.send(bytes_of(&request)).await;
                let expected = if own == "?\"" { "/?\"" } else { own };
                let response = client.response(false).await.unwrap();
                assert_eq!(response.header("x-responses"), Some(&*format!("POST {expected}")), "{head}");
                sent.push(body);
            }
        }
    }
    drop(client);
    program.stop().await;
    let seen = latin1(&database.finish().await.concat());
    let count = |text: &str| seen.matches(text).count();
    assert_eq!(count("\r\n\r\nGET /\" HTTP/"), sent.iter().filter(|body| body.starts_with("GET")).count());
}

#[tokio::test]
async fn requests_sent_at_once_and_in_pieces_keep_their_own_targets() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    let all: Vec<String> = odd().into_iter().filter(|target| target.len() < 1000).collect();
    let requests: String = all.iter().map(|target| get(target) + &get("/plain")).collect();
    let bytes = bytes_of(&requests);
    for piece in [bytes.len(), 1000, 7] {
        let mut client = program.client().await;
        for part in bytes.chunks(piece) {
            client.send(part).await;
        }
        for target in &all {
            for own in [target, "/plain"] {
                let response = client.response(false).await.unwrap();
                assert_eq!(response.header("x-responses"), Some(&*format!("GET {own}")));
            }
        }
    }
    program.stop().await;
    assert_eq!(arrived(database).await.len(), 3 * 2 * all.len());
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_rejected() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    for target in [
        "/a\"b c",
        "/\" ",
        "/a\tb",
        "/a\u{b}b",
        "/a\0b",
        "/a\u{1}b\"",
        "/a\u{7f}b",
        "/a\rb",
        "/a\r\nX: b",
        "\"/a",
        "\"",
        "a\"b",
        "http://a\"b/c",
        "http://a#b",
        "http://<a>/",
        "http://\u{e9}/",
        "\u{e9}/a",
    ] {
        let mut client = program.client().await;
        client.send(bytes_of(&(get(target) + &get("/next")))).await;
        let response = client.response(false).await.unwrap();
        assert_eq!(response.word(1), "400", "{target:?}");
        assert_eq!(client.rest_bytes().await, b"", "{target:?}");
    }
    program.stop().await;
    assert_eq!(arrived(database).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_search_is_read_and_widened_and_the_rest_of_its_target_left_alone() {
    for (query, text) in [
        ("q=\"red%20shoes\"", "red shoes"),
        ("q=\"red+shoes\"&preference=<b>", "red shoes"),
        ("q=red&routing={a|b}", "red"),
        ("q=caf\u{e9}+red", "caf\u{e9} red"),
    ] {
        let database = Tap::start(|_| {
            let hits: Vec<String> = (0..20)
                .map(|n| {
                    format!(r#"{{"_index":"i","_id":"{n}","_score":1.0,"_source":{{"text":"text {n}"}}}}"#)
                })
                .collect();
            let body = format!(r#"{{"hits":{{"hits":[{}]}}}}"#, hits.join(","));
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            Reply::Keep((head + &body).into())
        })
        .await;
        let service =
            Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 100.0).await;
        let provider =
            format!("providers:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n", service.addr);
        let program = Program::with_key(database.addr, &provider).await;
        let mut client = program.client().await;
        client.send(bytes_of(&get(&format!("/i/_search?{query}")))).await;
        let response = client.response(false).await.unwrap();
        assert_eq!(response.header("x-rerank-status"), Some("applied"), "{query}");
        let asked = json_of(&service.seen()[0])["query"].as_str().unwrap().to_owned();
        assert!(asked.contains(text), "{asked}");
        drop(client);
        program.stop().await;
        assert_eq!(arrived(database).await, [format!("/i/_search?{query}&size=50")]);
    }
}

#[tokio::test]
async fn a_fragment_makes_no_search() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    for target in ["/i/_search#a", "/i#/_search", "/i/_search?q=a#b", "/collections/c/points/query#"] {
        let mut client = program.client().await;
        client.send(bytes_of(&get(target).replace("GET", "POST"))).await;
        let response = client.response(false).await.unwrap();
        assert_eq!(response.header("x-responses"), Some(&*format!("POST {target}")));
        assert_eq!(response.header("x-rerank-status"), None);
    }
}

#[tokio::test]
async fn hosts_that_are_missing_doubled_or_none_are_rejected_whatever_is_sent_on() {
    for host in ["upstream", "preserve"] {
        let database = Tap::echoing().await;
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{}\", host: {host} }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n",
            database.addr
        );
        let program = Program::start(&yaml, &[]).await;
        for target in ["/a", "/i/_search", "/collections/c/points/query"] {
            let status = async |version: &str, lines: &str| {
                let mut client = program.client().await;
                client.send(bytes_of(&format!("POST {target} HTTP/{version}\r\n{lines}\r\n"))).await;
                client.response(false).await.unwrap().word(1).to_owned()
            };
            for lines in [
                "",
                "Host: a\r\nHost: a\r\n",
                "Host: a\r\nX: y\r\nhost: b\r\n",
                "Host: a b\r\n",
                "Host: a/b\r\n",
                "Host: a, b\r\n",
                "Host: u@a\r\n",
                "Host: a:b\r\n",
                "Host: a:1:2\r\n",
                "Host: [::1\r\n",
                "Host: \"a\"\r\n",
                "Host: caf\u{e9}\r\n",
                "Host: a\\b\r\n",
            ] {
                assert_eq!(status("1.1", lines).await, "400", "{host} {target} {lines:?}");
                assert_eq!(
                    status("1.0", lines).await == "200",
                    lines.is_empty(),
                    "{host} {target} {lines:?}"
                );
            }
            for lines in ["Host: a\r\n", "Host: [::1]:6333\r\n", "Host:\r\n", "Host: a_b.c:80\r\n"] {
                assert_eq!(status("1.1", lines).await, "200", "{host} {target} {lines:?}");
            }
        }
        program.stop().await;
        let seen = latin1(&database.finish().await.concat());
        assert_eq!(
            seen.matches("\r\nHost:").count() + seen.matches("\r\nhost:").count(),
            seen.matches("POST").count()
        );
    }
}
