//! Requests whose end two readers may see in two places, and what must become of each.

/// What must come of an attack, whatever its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// This status and a closed connection; not a byte of it goes upstream.
    Rejected(&'static str),
    /// It goes on as exactly one request with this body.
    One(&'static str),
    /// It is never complete upstream, and never answered as if it were.
    Unfinished,
}

/// The bytes, one character each; `/TARGET` stands for the target.
pub struct Attack {
    pub raw: String,
    pub fate: Fate,
}

pub const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

const BAD: Fate = Fate::Rejected("400");

/// A POST with these header lines (each ends itself) and what follows the head.
fn post(lines: &str, rest: &str, fate: Fate) -> Attack {
    Attack { raw: format!("POST /TARGET HTTP/1.1\r\nHost: a\r\n{lines}\r\n{rest}"), fate }
}

fn raw(text: impl Into<String>, fate: Fate) -> Attack {
    Attack { raw: text.into(), fate }
}

pub fn lengths() -> Vec<Attack> {
    let smuggled_body = format!("ok{SMUGGLED}");
    let mut attacks = vec![
        // A length beside chunks: the chunks count, and the connection is not used again.
        post(
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            &format!("0\r\n\r\n{SMUGGLED}"),
            Fate::One(""),
        ),
        post(
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            &format!("0\r\n\r\n{SMUGGLED}"),
            Fate::One(""),
        ),
        post(
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\n",
            &format!("2\r\nok\r\n0\r\n\r\n{SMUGGLED}"),
            Fate::One("ok"),
        ),
        // Equal lengths go on as one.
        post("Content-Length: 2\r\nContent-Length: 2\r\n", "ok", Fate::One("ok")),
        post(
            "Content-Length: 2\r\ncontent-length: 2\r\nX: a\r\nCONTENT-LENGTH: 2\r\n",
            "ok",
            Fate::One("ok"),
        ),
        post("Content-Length: 2\r\nContent-Length: 37\r\n", &smuggled_body, BAD),
        post("Content-Length: 37\r\nContent-Length: 2\r\n", &smuggled_body, BAD),
        // What a careless reader takes for the length does not go on.
        post("Content-Length: 2\r\nContent_Length: 37\r\n", "ok", Fate::One("ok")),
        post("Content-Length: 2\r\nTransfer_Encoding: chunked\r\n", "ok", Fate::One("ok")),
        post("Content-Length: 2\r\nConnection: Content-Length\r\n", "ok", Fate::One("ok")),
        post("Content-Length: 370\r\n", "ok", Fate::Unfinished),
        post("Content-Length: 18446744073709551615\r\n", "ok", Fate::Rejected("431")),
        post("Content-Length: 9223372036854775807\r\n", "ok", Fate::Unfinished),
    ];
    for length in [
        "2, 37",
        "2, 2",
        "2,2",
        "+2",
        "-1",
        "-0",
        "0x2",
        "2;3",
        "2 2",
        "2\t2",
        "",
        "\"2\"",
        "2.0",
        "1e0",
        "2_0",
        "\u{b2}",
        "18446744073709551616",
        "99999999999999999999",
    ] {
        attacks.push(post(&format!("Content-Length: {length}\r\n"), &smuggled_body, BAD));
    }
    for name in
        ["Content-Length ", "Content-Length\t", " Content-Length", "\tContent-Length", "Content-Length\u{b}"]
    {
        attacks.push(post(&format!("{name}: 2\r\n"), &smuggled_body, BAD));
        attacks.push(post(&format!("X: a\r\n{name}: 2\r\n"), &smuggled_body, BAD));
    }
    for value in ["2 ", " 2", "\t2\t", "0002"] {
        attacks.push(post(&format!("Content-Length:{value}\r\n"), "ok", Fate::One("ok")));
    }
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"] {
        let get = format!("{method} /TARGET HTTP/1.1\r\nHost: a\r\n");
        attacks.push(raw(format!("{get}Content-Length: 2\r\n\r\nok"), Fate::One("ok")));
        attacks
            .push(raw(format!("{get}Content-Length: 2\r\nContent-Length: 37\r\n\r\n{smuggled_body}"), BAD));
        attacks.push(raw(
            format!("{get}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            Fate::One("ok"),
        ));
    }
    attacks
}

pub fn transfer_codings() -> Vec<Attack> {
    let chunks = format!("2\r\nok\r\n0\r\n\r\n{SMUGGLED}");
    let mut attacks = Vec::new();
    for coding in [
        "identity",
        "chunked, identity",
        "identity, chunked",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        "chunked-but-not",
        "chunked;a=b",
        "\"chunked\"",
        "chunked,",
        ", chunked",
        "chunked chunked",
        "",
        "\u{a0}chunked",
        "c\0hunked",
        "\u{b}chunked",
    ] {
        attacks.push(post(&format!("Transfer-Encoding: {coding}\r\n"), &chunks, BAD));
        attacks.push(post(&format!("Transfer-Encoding: {coding}\r\nContent-Length: 2\r\n"), &chunks, BAD));
    }
    for lines in [
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: a\r\n\tTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\r\n , identity\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
    ] {
        attacks.push(post(lines, &chunks, BAD));
    }
    for value in [":chunked", ": CHUNKED", ":\tchunked\t", ": Chunked "] {
        attacks.push(post(&format!("Transfer-Encoding{value}\r\n"), "2\r\nok\r\n0\r\n\r\n", Fate::One("ok")));
    }
    attacks.push(raw(
        format!("POST /TARGET HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        BAD,
    ));
    let kept = "POST /TARGET HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 2\r\n";
    attacks.push(raw(format!("{kept}Transfer-Encoding: chunked\r\n\r\n{chunks}"), BAD));
    attacks
}

pub fn chunks() -> Vec<Attack> {
    let chunked = |body: &str, fate| post("Transfer-Encoding: chunked\r\n", body, fate);
    let mut attacks = Vec::new();
    for body in [
        // Signs, prefixes, overflow, other digits.
        "zz\r\nok\r\n0\r\n\r\n",
        "-1\r\nok\r\n0\r\n\r\n",
        "+2\r\nok\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        "2_0\r\nok\r\n0\r\n\r\n",
        "10000000000000002\r\nok\r\n0\r\n\r\n",
        "\u{b2}\r\nok\r\n0\r\n\r\n",
        " 2\r\nok\r\n0\r\n\r\n",
        "\r\n2\r\nok\r\n0\r\n\r\n",
        "2 2\r\nok\r\n0\r\n\r\n",
        "\r\n",
        "\0\r\n",
        // Longer or shorter than said.
        "2\r\nokay\r\n0\r\n\r\n",
        "3\r\nok\r\n0\r\n\r\n",
        "2\r\nok0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nok\r0\r\n\r\n",
        // Lone CR and LF, also in extensions.
        "2\nok\n0\n\n",
        "2\rok\r\n0\r\n\r\n",
        "2\r\nok\r\n0\n\n",
        "2;a\nb\r\nok\r\n0\r\n\r\n",
        "2;a\rb\r\nok\r\n0\r\n\r\n",
        "0;a\nGET /smuggled HTTP/1.1\r\n\r\n",
        "2;a=\"\r\n\r\nok\r\n0\r\n\r\n",
        // No last chunk; a request where trailers should be.
        "2\r\nok\r\n",
        "2\r\nok\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        "0\r\n : a\r\n\r\n",
        "0\r\nX\0: a\r\n\r\n",
        "0\r\nX : a\r\n\r\n",
    ] {
        attacks.push(chunked(&format!("{body}{SMUGGLED}"), Fate::Unfinished));
    }
    for body in [
        "2\r\nok\r\n0\r\n\r\n",
        "02\r\nok\r\n00\r\n\r\n",
        "2;a=\"0\"\r\nok\r\n0;b\r\n\r\n",
        "2 \r\nok\r\n0\t\r\n\r\n",
        "1\r\no\r\n1;\r\nk\r\n0\r\nX-Sum: 1\r\n\r\n",
        "2\r\nok\r\n0\r\nContent-Length: 37\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        attacks.push(chunked(body, Fate::One("ok")));
    }
    // What follows the last chunk is the next request, and rejected if it is none.
    attacks.push(chunked("2\r\nok\r\n0\r\n\r\n\u{1}garbage\r\n\r\n", Fate::One("ok")));
    let declared =
        "Trailer: Content-Length, Transfer-Encoding, Host, X-Sum\r\nTransfer-Encoding: chunked\r\n";
    let trailers =
        "2\r\nok\r\n0\r\nContent-Length: 37\r\nTransfer-Encoding: x\r\nHost: b\r\nX-Sum: 1\r\n\r\n";
    attacks.push(post(declared, trailers, Fate::One("ok")));
    attacks
}

pub fn lines() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for start in [
        "GET  /TARGET HTTP/1.1",
        "GET /TARGET  HTTP/1.1",
        "GET\t/TARGET\tHTTP/1.1",
        " GET /TARGET HTTP/1.1",
        "GET /TARGET HTTP/1.2",
        "GET /TARGET HTTP/2.0",
        "GET /TARGET http/1.1",
        "GET /TARGET HTTP/1.1 x",
        "GET /TARGET HTTP/01.1",
        "GET /TARGET",
        "G(T /TARGET HTTP/1.1",
        "GET /TARGET\0 HTTP/1.1",
        "GET /TARGET\r HTTP/1.1",
        "GET /TARGET\u{1} HTTP/1.1",
        "GET /TARGET x HTTP/1.1",
        "GET /TARGET\" HTTP/1.1\" HTTP/1.1",
        "GET /TARGET\"\u{7f} HTTP/1.1",
        "GET /TARGET<\0> HTTP/1.1",
        "GET /TARGET\"\rX: HTTP/1.1",
        "GET \"/TARGET HTTP/1.1",
        "GET http://b\"c/TARGET HTTP/1.1",
        "G\"T /TARGET HTTP/1.1",
        "GET /TARGET HTTP/1.1\"",
        "\0GET /TARGET HTTP/1.1",
        "GET /TARGET HTTP/1.1\rX: b",
        "GET HTTP/1.1",
    ] {
        attacks.push(raw(format!("{start}\r\nHost: a\r\n\r\n{SMUGGLED}"), BAD));
    }
    for line in [
        "X: b\0c",
        "X\0: b",
        "X: b\u{8}c",
        "X: b\u{7f}c",
        "X: b\rc",
        "X: b\rGET /smuggled HTTP/1.1",
        "X: b\r\n c",
        "X: b\r\n\tc",
        "X",
        ": b",
        " X: b",
        "X : b",
        "X\t: b",
        "X(: b",
        "X\u{e9}: b",
        "GET /smuggled HTTP/1.1",
        "Host: b",
        "host: a",
    ] {
        attacks.push(raw(format!("GET /TARGET HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n{SMUGGLED}"), BAD));
    }
    // A lone LF ends a line for this parser; it goes on as CR LF, so that nobody upstream can see it otherwise.
    attacks.push(raw("GET /TARGET HTTP/1.1\nHost: a\n\n", Fate::One("")));
    attacks.push(post("X: b\nContent-Length: 2\r\n", "ok", Fate::One("ok")));
    attacks.push(post("X: b\nContent-Length: 0\r\nContent-Length: 37\r\n", &format!("ok{SMUGGLED}"), BAD));
    attacks.push(post("Content-Length: 2\n\r\n", "", Fate::One("\r\n")));
    // Empty lines before a request line belong to nobody (RFC 9112 §2.2).
    attacks.push(raw("\r\n\r\nGET /TARGET HTTP/1.1\r\nHost: a\r\n\r\n", Fate::One("")));
    // Who is asked for must be said once (RFC 9112 §3.2).
    attacks.push(raw(format!("GET /TARGET HTTP/1.1\r\n\r\n{SMUGGLED}"), BAD));
    attacks.push(raw("GET /TARGET HTTP/1.0\r\n\r\n", Fate::One("")));
    attacks.push(raw("GET http://b/TARGET HTTP/1.1\r\nHost: a\r\n\r\n", Fate::One("")));
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    attacks.push(raw(format!("GET /TARGET HTTP/1.1\r\nHost: a\r\n{h2c}\r\n"), Fate::One("")));
    let many = "X: a\r\n".repeat(200);
    attacks
        .push(raw(format!("GET /TARGET HTTP/1.1\r\nHost: a\r\n{many}\r\n{SMUGGLED}"), Fate::Rejected("431")));
    attacks.push(raw(format!("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"), BAD));
    attacks
}

/// Targets with bytes that no URI may have move no boundary either.
pub fn targets() -> Vec<Attack> {
    let smuggled_body = &SMUGGLED[..35];
    let mut attacks = Vec::new();
    for odd in ["\"", "<>", "`{|}^\\", "#a", "\u{e9}", "\"%0d%0aX:", "\u{85}\u{a0}", "!\"!"] {
        let post = |lines: &str, rest: &str, fate| {
            raw(format!("POST /TARGET{odd} HTTP/1.1\r\nHost: a\r\n{lines}\r\n{rest}"), fate)
        };
        attacks.push(post("", "", Fate::One("")));
        attacks.push(post("Content-Length: 35\r\n", smuggled_body, Fate::One(smuggled_body)));
        attacks.push(post("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n", Fate::One("ok")));
        attacks.push(post("Transfer-Encoding: chunked\r\n", "2;a\r\nok\r\n0\r\n\r\n", Fate::One("ok")));
        attacks.push(post("Content-Length: 2\r\nContent-Length: 37\r\n", &format!("ok{SMUGGLED}"), BAD));
        attacks.push(post(
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            &format!("0\r\n\r\n{SMUGGLED}"),
            Fate::One(""),
        ));
        attacks.push(post("Transfer-Encoding: gzip, chunked\r\n", "2\r\nok\r\n0\r\n\r\n", BAD));
        attacks.push(post("Content-Length: 370\r\n", "ok", Fate::Unfinished));
        let absolute = format!("GET http://b/TARGET{odd} HTTP/1.1\r\nHost: a\r\n\r\n");
        attacks.push(raw(absolute, Fate::One("")));
        attacks.push(raw(format!("GET http://b{odd}/TARGET HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"), BAD));
    }
    attacks
}

pub fn expectations() -> Vec<Attack> {
    let smuggled_body = &SMUGGLED[..35];
    let mut attacks = Vec::new();
    for expect in ["100-continue", "100-Continue", "100-continue, x", "200-ok", ""] {
        let lines = format!("Expect: {expect}\r\nContent-Length: 35\r\n");
        attacks.push(post(&lines, smuggled_body, Fate::One(smuggled_body)));
        let lines = format!("Expect: {expect}\r\nTransfer-Encoding: chunked\r\n");
        attacks.push(post(&lines, "2\r\nok\r\n0\r\n\r\n", Fate::One("ok")));
        attacks
            .push(raw(format!("GET /TARGET HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\n\r\n"), Fate::One("")));
        attacks.push(post(&format!("Expect: {expect}\r\nContent-Length: 0\r\n"), "", Fate::One("")));
    }
    let twice = "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2\r\n";
    attacks.push(post(twice, "ok", Fate::One("ok")));
    let folded = "Expect:\r\n 100-continue\r\nContent-Length: 2\r\n";
    attacks.push(post(folded, "ok", BAD));
    attacks
}
