use super::*;
use crate::{
    demo::{DIMENSIONS, embed},
    wire::proto::{Content, write as fields},
};

/// A request of the demo's collection, with more fields.
fn request(more: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    fields::bytes(&mut out, 1, COLLECTION.as_bytes());
    more(&mut out);
    out
}

/// `QueryPoints` for stale bread, with more fields.
fn query(more: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    request(|out| {
        nearest(out, 3);
        more(out);
    })
}

fn nearest(out: &mut Vec<u8>, number: u32) {
    fields::message(out, number, |out| {
        fields::message(out, 1, |out| {
            fields::message(out, 2, |out| fields::floats(out, 1, &embed("stale bread")));
        });
    });
}

fn enable(out: &mut Vec<u8>, number: u32) {
    fields::message(out, number, |out| fields::boolean(out, 1, true));
}

fn names(out: &mut Vec<u8>, variant: u32, names: &[&str]) {
    fields::message(out, variant, |out| names.iter().for_each(|name| fields::bytes(out, 1, name.as_bytes())));
}

fn call(method: &str, message: &[u8]) -> Outcome<Vec<u8>> {
    respond(&format!("/qdrant.Points/{method}"), message).map(|answer| answer.after(0.5))
}

/// The numbers of a message's fields, and what the messages in one of them are made of.
fn numbers(message: &[u8]) -> Vec<u32> {
    Message::new(message).fields().map(|field| field.unwrap().number).collect()
}

fn inside(message: &[u8], number: u32) -> Vec<&[u8]> {
    Message::new(message).all(number).unwrap().iter().map(|field| field.bytes().unwrap()).collect()
}

fn id_of(point: &[u8]) -> u64 {
    Message::new(inside(point, 1)[0]).last(1).unwrap().unwrap().unsigned().unwrap()
}

fn ids(points: &[&[u8]]) -> Vec<u64> {
    points.iter().map(|point| id_of(point)).collect()
}

fn keys(point: &[u8]) -> String {
    let key = |entry: &&[u8]| String::from_utf8(inside(entry, 1)[0].to_vec()).unwrap();
    inside(point, 2).iter().map(key).collect::<Vec<_>>().join(",")
}

/// The hits of a `Query`.
fn found(message: &[u8]) -> Vec<u64> {
    ids(&inside(&call("Query", message).unwrap(), 1))
}

#[test]
fn a_response_has_the_fields_of_qdrant_in_its_order() {
    let response = call(
        "Query",
        &query(|out| {
            fields::unsigned(out, 8, 2);
            enable(out, 10);
            enable(out, 11);
        }),
    );
    let response = response.unwrap();
    assert_eq!(numbers(&response), [1, 1, 2]);
    assert_eq!(Message::new(&response).last(2).unwrap().unwrap().double(), Ok(0.5));
    let hit = inside(&response, 1)[0];
    assert_eq!(numbers(hit), [1, 2, 2, 2, 3, 6]);
    assert_eq!(keys(hit), "title,text,topic");
    assert!(matches!(Message::new(hit).last(3).unwrap().unwrap().content, Content::Fixed32(_)));
    let dense = inside(inside(inside(hit, 6)[0], 1)[0], 101)[0];
    assert_eq!(Message::new(dense).floats(1, 99).unwrap().len(), DIMENSIONS);
    let nothing = call("Query", &query(|out| fields::float(out, 7, 2.0))).unwrap();
    assert_eq!((numbers(&nothing), nothing.len()), (vec![2], 9), "no hit: the time alone");
    let first = call("Query", &request(|out| fields::unsigned(out, 8, 1))).unwrap();
    assert_eq!(numbers(inside(&first, 1)[0]), [1], "a score of 0 is left out");
}

#[test]
fn pages_join_up_and_of_a_field_given_twice_the_last_one_holds() {
    let page = |offset, limit| {
        found(&query(|out| {
            fields::unsigned(out, 8, limit);
            fields::unsigned(out, 9, offset);
        }))
    };
    let all = page(0, 100);
    assert_eq!(all.len(), points::all().len());
    assert_eq!(page(5, 5), all[5..10]);
    assert_eq!(found(&query(|_| {})), all[..10]);
    let twice = query(|out| {
        fields::unsigned(out, 8, 3);
        fields::unsigned(out, 8, 7);
    });
    assert_eq!(found(&twice), all[..7]);
    let older = request(|out| {
        fields::floats(out, 2, &embed("stale bread"));
        fields::message(out, 3, |_| {});
        fields::unsigned(out, 4, 4);
        fields::float(out, 8, 0.0);
    });
    assert_eq!(ids(&inside(&call("Search", &older).unwrap(), 1)), all[..4]);
}

#[test]
fn payloads_are_shown_as_asked_and_none_by_default() {
    let shown = |select: &dyn Fn(&mut Vec<u8>)| {
        let response = call("Query", &query(select)).unwrap();
        keys(inside(&response, 1)[0])
    };
    let selector = |variant: u32, list: &[&str]| {
        let list: Vec<String> = list.iter().map(|&name| name.to_owned()).collect();
        move |out: &mut Vec<u8>| {
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            fields::message(out, 11, |out| names(out, variant, &list));
        }
    };
    assert_eq!(shown(&|_| {}), "");
    assert_eq!(shown(&|out| enable(out, 11)), "title,text,topic");
    assert_eq!(shown(&selector(2, &["text", "nope"])), "text");
    assert_eq!(shown(&selector(3, &["text"])), "title,topic");
    let (title, text) = (selector(2, &["title"]), selector(2, &["text"]));
    let both = |out: &mut Vec<u8>| {
        title(out);
        text(out);
    };
    assert_eq!(shown(&both), "title,text", "lists of one kind add up");
    let replaced = |out: &mut Vec<u8>| {
        title(out);
        enable(out, 11);
    };
    assert_eq!(shown(&replaced), "title,text,topic", "another kind replaces them");
    let nothing = query(|out| fields::message(out, 11, |_| {}));
    assert_eq!(call("Query", &nothing), Err(Rejection::NoSelector));
}

#[test]
fn batches_answer_each_search_in_its_place() {
    let of = |limit| query(|out| fields::unsigned(out, 8, limit));
    let batch = request(|out| {
        fields::bytes(out, 2, &of(2));
        fields::bytes(out, 2, &query(|out| fields::float(out, 7, 2.0)));
        fields::bytes(out, 2, &of(3));
    });
    let response = call("QueryBatch", &batch).unwrap();
    let lists: Vec<_> = inside(&response, 1).iter().map(|page| ids(&inside(page, 1))).collect();
    let all = found(&query(|_| {}));
    assert_eq!(lists, [all[..2].to_vec(), vec![], all[..3].to_vec()]);
    assert_eq!(numbers(&response), [1, 1, 1, 2]);
}

#[test]
fn groups_have_the_best_hits_of_the_best_values() {
    let asked = |size| {
        request(|out| {
            nearest(out, 3);
            enable(out, 8);
            fields::unsigned(out, 11, 2);
            fields::unsigned(out, 12, size);
            fields::bytes(out, 13, b"topic");
        })
    };
    let response = call("QueryGroups", &asked(3)).unwrap();
    assert_eq!(numbers(&response), [1, 2]);
    let groups = inside(inside(&response, 1)[0], 1);
    assert_eq!(groups.len(), 2);
    let hits: Vec<_> = groups.iter().map(|group| inside(group, 2).len()).collect();
    assert!(hits.iter().all(|hits| (1..=3).contains(hits)), "{hits:?}");
    assert_eq!(id_of(inside(groups[0], 2)[0]), found(&query(|_| {}))[0], "the best hit's group is first");
    assert_eq!(call("QueryGroups", &asked(0)), Err(Rejection::Zero("group_size")));
}

#[test]
fn filters_say_which_points_are_found() {
    let keyword = |out: &mut Vec<u8>, kind: u32, variant: u32, topics: &[&str]| {
        fields::message(out, kind, |out| {
            fields::message(out, 1, |out| {
                fields::bytes(out, 1, b"topic");
                fields::message(out, 2, |out| match variant {
                    1 => fields::bytes(out, 1, topics[0].as_bytes()),
                    _ => names(out, variant, topics),
                });
            });
        });
    };
    let count = |kind, variant, topics: &[&str]| {
        let filter = request(|out| fields::message(out, 2, |out| keyword(out, kind, variant, topics)));
        let response = call("Count", &filter).unwrap();
        Message::new(inside(&response, 1)[0]).last(1).unwrap().unwrap().unsigned().unwrap()
    };
    let all = points::all().len() as u64;
    let of = |topic: &str| points::all().iter().filter(|point| point.passage.topic == topic).count() as u64;
    assert_eq!(count(2, 1, &["cooking"]), of("cooking"));
    assert_eq!(count(1, 5, &["cooking", "travel"]), of("cooking") + of("travel"));
    assert_eq!(count(3, 1, &["cooking"]), all - of("cooking"));
    assert_eq!(count(2, 8, &["cooking"]), all - of("cooking"));
    let ranged = request(|out| {
        fields::message(out, 2, |out| {
            fields::message(out, 2, |out| {
                fields::message(out, 1, |out| {
                    fields::bytes(out, 1, b"topic");
                    fields::message(out, 3, |_| {});
                });
            });
        });
    });
    assert_eq!(call("Count", &ranged), Err(Rejection::Unsupported("this filter")));
}

#[test]
fn points_are_read_and_scrolled() {
    let wanted = request(|out| {
        for id in [2, 99_999] {
            fields::message(out, 2, |out| fields::unsigned(out, 1, id));
        }
        enable(out, 4);
    });
    let response = call("Get", &wanted).unwrap();
    let points = inside(&response, 1);
    assert_eq!((ids(&points), keys(points[0]).as_str()), (vec![2], "title,text,topic"));
    let page = call(
        "Scroll",
        &request(|out| {
            fields::message(out, 3, |out| fields::unsigned(out, 1, 3));
            fields::unsigned(out, 4, 2);
        }),
    );
    let page = page.unwrap();
    assert_eq!((numbers(&page), ids(&inside(&page, 2))), (vec![1, 2, 2, 3], vec![3, 4]));
    assert_eq!(Message::new(inside(&page, 1)[0]).last(1).unwrap().unwrap().unsigned(), Ok(5));
}

#[test]
fn health_checks_and_collections_are_answered() {
    let answer = |path: &str, message: &[u8]| respond(path, message).unwrap().after(0.5);
    let health = answer("/qdrant.Qdrant/HealthCheck", b"");
    assert_eq!((inside(&health, 2)[0], numbers(&health)), (VERSION.as_bytes(), vec![1, 2]));
    assert_eq!(answer("/grpc.health.v1.Health/Check", b""), [8, 1]);
    assert_eq!(numbers(&answer("/qdrant.Collections/List", b"")), [1, 2]);
    let exists = |name: &[u8]| {
        let mut message = Vec::new();
        fields::bytes(&mut message, 1, name);
        inside(&answer("/qdrant.Collections/CollectionExists", &message), 1)[0].to_vec()
    };
    assert_eq!((exists(b"demo"), exists(b"nope")), (vec![8, 1], vec![8, 0]));
}

/// What the official clients send, as recorded, for a collection `col` with vectors of two numbers.
#[test]
fn what_the_official_clients_send_is_read_to_its_end() {
    let sent = |hex: &str| {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let (b"\x0a\x03col", rest) = bytes.split_at(5) else { panic!("another collection") };
        request(|out| out.extend(rest))
    };
    let short = Rejection::Dimension(2);
    for (method, hex, error) in [
        ("Query", "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4003520208005a020801", &short),
        ("Query", "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e40035a020801", &short),
        (
            "Query",
            "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e3dcdcc4c3e400a4804520208015a1312110a04746578740a096d6574612e6c616e67",
            &short,
        ),
        ("Query", "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4003520208015a020801", &short),
        (
            "QueryBatch",
            "0a03636f6c12170a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e400312170a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4002",
            &short,
        ),
        ("QueryGroups", "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e420208014a020800580a60036a0167", &short),
        ("Search", "0a03636f6c1208cdcccc3dcdcc4c3e1a002003320208014500000000", &short),
        (
            "Query",
            "0a03636f6c1a1f0a1d2a1b0a0c6772c3b6c39f65206f6620581a0b716472616e742f626d32352201624003520208005a020801",
            &Rejection::UnknownVector("b".to_owned()),
        ),
        (
            "Query",
            "0a03636f6c1212120e0a0c120a0a08cdcccc3dcdcc4c3e38141a023000400a520208005a020801",
            &Rejection::Unsupported("prefetches"),
        ),
    ] {
        assert_eq!(call(method, &sent(hex)).as_ref(), Err(error), "{method} {hex}");
    }
}

#[test]
fn errors_are_those_of_qdrant() {
    let status = |outcome: Outcome<Vec<u8>>| {
        let error = outcome.unwrap_err();
        (error.grpc_status(), error.over_grpc())
    };
    let mut other = Vec::new();
    fields::bytes(&mut other, 1, b"nope");
    assert_eq!(status(call("Query", &other)), (5, "Not found: Collection `nope` doesn't exist!".to_owned()));
    assert_eq!(
        status(call("Query", &query(|out| fields::unsigned(out, 8, 0)))),
        (3, "Validation error in body: [limit: value 0 invalid, must be 1 or larger]".to_owned())
    );
    assert_eq!(
        status(call("Search", &request(|out| fields::floats(out, 2, &embed("x"))))).0,
        3,
        "no limit is 0"
    );
    assert_eq!(status(call("NoSuchMethod", &other)), (12, String::new()));
    let unknown = request(|out| {
        fields::message(out, 3, |out| {
            fields::message(out, 1, |out| fields::message(out, 1, |out| fields::unsigned(out, 1, 4242)))
        });
    });
    assert_eq!(status(call("Query", &unknown)), (5, "Not found: No point with id 4242 found".to_owned()));
    let text = request(|out| {
        fields::message(out, 3, |out| {
            fields::message(out, 1, |out| fields::message(out, 5, |out| fields::bytes(out, 1, b"bread")))
        });
    });
    assert_eq!(call("Query", &text), Err(Rejection::Inference));
    assert_eq!(status(call("Query", b"\x0a\x09cut")).0, 13);
}
