use serde_json::Value as Json;

use super::*;

mod laws;

/// The text of a search whose documents are made of `title` and `content`: `-` where there is none, `several`, or
/// `other order`.
fn question_of(query: Option<&str>, body: &str) -> String {
    let params = Params::parse(query).unwrap();
    let body = Object::parse(body.as_bytes()).expect(body);
    let known = |name: &str| {
        let first = name.split('.').next().unwrap();
        (matches!(first, "title" | "content") && !name.ends_with(".keyword")) || matches!(name, "*" | "cont*")
    };
    match native(&params, Some(&body), &mut |_| {}).among(known) {
        NativeText::None => "-".to_owned(),
        NativeText::One(text) => text,
        NativeText::Several => "several".to_owned(),
        NativeText::OtherOrder => "other order".to_owned(),
        NativeText::ByField(_) => panic!("not settled"),
    }
}

fn question(body: &str) -> String {
    question_of(None, body)
}

fn all(cases: &[(&str, &str)]) {
    for (query, text) in cases {
        assert_eq!(question(&format!(r#"{{"query":{query}}}"#)), *text, "{query}");
    }
}

#[test]
fn clauses_that_rank_hold_the_question() {
    all(&[
        (r#"{"match":{"content":"red shoes"}}"#, "red shoes"),
        (r#"{"match":{"content":{"query":" red shoes ","operator":"and"}}}"#, "red shoes"),
        (r#"{"match_phrase":{"content":"red shoes"}}"#, "red shoes"),
        (r#"{"match_bool_prefix":{"content":{"query":"red sho"}}}"#, "red sho"),
        (r#"{"multi_match":{"query":"red shoes","fields":["title^3","content"]}}"#, "red shoes"),
        (r#"{"combined_fields":{"query":"red shoes","fields":["title"]}}"#, "red shoes"),
        (r#"{"common":{"content":{"query":"red shoes"}}}"#, "red shoes"),
        (r#"{"semantic":{"field":"s","query":"red shoes"}}"#, "red shoes"),
        (r#"{"sparse_vector":{"field":"s","inference_id":"i","query":"red shoes"}}"#, "red shoes"),
        (r#"{"text_expansion":{"s.tokens":{"model_id":"i","model_text":"red shoes"}}}"#, "red shoes"),
        (r#"{"neural":{"e":{"query_text":"red shoes","model_id":"m","k":5}}}"#, "red shoes"),
        (r#"{"neural_sparse":{"e":{"query_text":"red shoes"}}}"#, "red shoes"),
        (r#"{"bool":{"must":{"match":{"content":"red shoes"}}}}"#, "red shoes"),
        (
            r#"{"bool":{"should":[{"match":{"content":"red shoes"}},{"match_phrase":{"title":"red shoes"}}]}}"#,
            "red shoes",
        ),
        (r#"{"bool":{"should":[{"match":{"content":"red"}},{"match":{"title":"shoes"}}]}}"#, "several"),
        (r#"{"dis_max":{"queries":[{"match":{"content":"red shoes"}}]}}"#, "red shoes"),
        (
            r#"{"boosting":{"positive":{"match":{"content":"red shoes"}},"negative":{"match":{"content":"old"}},"negative_boost":0.5}}"#,
            "red shoes",
        ),
        (r#"{"nested":{"path":"a","query":{"match":{"a.x":"red shoes"}}}}"#, "red shoes"),
        (
            r#"{"has_child":{"type":"c","score_mode":"max","query":{"match":{"content":"red shoes"}}}}"#,
            "red shoes",
        ),
        (
            r#"{"has_parent":{"parent_type":"p","score":true,"query":{"match":{"content":"red shoes"}}}}"#,
            "red shoes",
        ),
        (
            r#"{"has_parent":{"parent_type":"p","score":"true","query":{"match":{"content":"red shoes"}}}}"#,
            "red shoes",
        ),
        (
            r#"{"function_score":{"query":{"match":{"content":"red shoes"}},"field_value_factor":{"field":"n"}}}"#,
            "red shoes",
        ),
        (
            r#"{"function_score":{"query":{"match":{"content":"red shoes"}},"boost_mode":"replace"}}"#,
            "red shoes",
        ),
        (
            r#"{"function_score":{"query":{"match":{"content":"red shoes"}},"script_score":{"script":"_score*doc['n'].value"},"boost_mode":"replace"}}"#,
            "red shoes",
        ),
        (
            r#"{"script_score":{"query":{"match":{"content":"red shoes"}},"script":{"source":"_score * doc['n'].value"}}}"#,
            "red shoes",
        ),
        (r#"{"pinned":{"ids":["1"],"organic":{"match":{"content":"red shoes"}}}}"#, "red shoes"),
        (
            r#"{"intervals":{"content":{"all_of":{"intervals":[{"match":{"query":"red shoes"}}]}}}}"#,
            "red shoes",
        ),
        (r#"{"query_string":{"query":"red AND shoes","default_field":"content"}}"#, "red shoes"),
        (r#"{"simple_query_string":{"query":"red +shoes","fields":["content"]}}"#, "red shoes"),
        (
            r#"{"bool":{"must":[{"match":{"content":"red shoes"}}],"should":[{"rank_feature":{"field":"pagerank"}}]}}"#,
            "red shoes",
        ),
        (r#"{"match":{"headline":"red shoes"}}"#, "red shoes"),
    ]);
}

#[test]
fn clauses_that_only_select_hold_no_question() {
    all(&[
        (
            r#"{"bool":{"filter":[{"match":{"content":"uk"}}],"must_not":{"match":{"content":"old"}},"must":{"match_all":{}}}}"#,
            "-",
        ),
        (
            r#"{"bool":{"filter":[{"match":{"content":"uk"}}],"should":[{"match":{"content":"red shoes"}}]}}"#,
            "red shoes",
        ),
        (r#"{"constant_score":{"filter":{"match":{"content":"uk"}}}}"#, "-"),
        (
            r#"{"script_score":{"query":{"match":{"content":"uk"}},"script":{"source":"cosineSimilarity(params.v,'e')+1.0"}}}"#,
            "-",
        ),
        (
            r#"{"script_score":{"query":{"match":{"content":"uk"}},"script":{"source":"knn_score","lang":"knn","params":{}}}}"#,
            "-",
        ),
        (r#"{"script_score":{"query":{"match":{"content":"uk"}},"script":{"id":"stored"}}}"#, "-"),
        (
            r#"{"script_score":{"query":{"match":{"content":"uk"}},"script":"doc['my_score'].value"}}"#,
            "other order",
        ),
        (r#"{"nested":{"path":"a","score_mode":"none","query":{"match":{"a.x":"uk"}}}}"#, "-"),
        (r#"{"has_child":{"type":"c","query":{"match":{"content":"uk"}}}}"#, "-"),
        (r#"{"has_child":{"type":"c","score_mode":"none","query":{"match":{"content":"uk"}}}}"#, "-"),
        (r#"{"has_parent":{"parent_type":"p","query":{"match":{"content":"uk"}}}}"#, "-"),
        (r#"{"has_parent":{"parent_type":"p","score":false,"query":{"match":{"content":"uk"}}}}"#, "-"),
        (r#"{"term":{"content":"uk"}}"#, "-"),
        (r#"{"terms":{"content":["uk","nl"]}}"#, "-"),
        (r#"{"ids":{"values":["a"]}}"#, "-"),
        (r#"{"prefix":{"content":"uk"}}"#, "-"),
        (r#"{"wildcard":{"content":{"value":"u*"}}}"#, "-"),
        (r#"{"regexp":{"content":"u.*"}}"#, "-"),
        (r#"{"fuzzy":{"content":"uk"}}"#, "-"),
        (r#"{"range":{"year":{"gte":"2020"}}}"#, "-"),
        (r#"{"more_like_this":{"fields":["content"],"like":"a long text"}}"#, "-"),
        (r#"{"match_all":{}}"#, "-"),
    ]);
}

#[test]
fn a_boost_of_nothing_takes_a_clause_out_at_any_level() {
    all(&[
        (r#"{"match":{"content":{"query":"uk","boost":0}}}"#, "-"),
        (r#"{"match":{"content":{"query":"uk","boost":"0.0"}}}"#, "-"),
        (r#"{"match":{"content":{"query":"uk","boost":0.5}}}"#, "uk"),
        (r#"{"bool":{"boost":0,"must":{"match":{"content":"uk"}}}}"#, "-"),
        (r#"{"multi_match":{"query":"uk","fields":["content"],"boost":0e3}}"#, "-"),
        (r#"{"multi_match":{"query":"uk","fields":["title^0","content^0.0"]}}"#, "-"),
        (r#"{"multi_match":{"query":"uk","fields":["title^0","content"]}}"#, "uk"),
        (r#"{"multi_match":{"query":"uk","fields":"title^0"}}"#, "-"),
        (r#"{"query_string":{"query":"uk^0 shoes","default_field":"content"}}"#, "shoes"),
        (r#"{"query_string":{"query":"uk","fields":["content^0"]}}"#, "-"),
        (r#"{"query_string":{"query":"uk","boost":0}}"#, "-"),
        (r#"{"neural":{"e":{"query_text":"uk","boost":0}}}"#, "-"),
        (r#"{"semantic":{"field":"s","query":"uk","boost":0}}"#, "-"),
        (
            r#"{"knn":{"field":"e","boost":0,"query_vector_builder":{"text_embedding":{"model_text":"uk"}}}}"#,
            "-",
        ),
        (r#"{"intervals":{"content":{"match":{"query":"uk"},"boost":0}}}"#, "-"),
        (r#"{"function_score":{"query":{"match":{"content":"uk"}},"weight":0}}"#, "-"),
        (r#"{"dis_max":{"boost":0,"queries":[{"match":{"content":"uk"}}]}}"#, "-"),
        (
            r#"{"bool":{"must":[{"match":{"content":"red shoes"}},{"match":{"content":{"query":"uk","boost":0}}}]}}"#,
            "red shoes",
        ),
    ]);
}

#[test]
fn values_are_no_words_but_on_a_documents_own_fields() {
    all(&[
        (r#"{"match":{"active":true}}"#, "-"),
        (r#"{"match":{"year":2020}}"#, "-"),
        (r#"{"match":{"year":{"query":2020}}}"#, "-"),
        (r#"{"match":{"content":2020}}"#, "-"),
        (r#"{"multi_match":{"query":2020,"fields":["title"]}}"#, "-"),
        (r#"{"match":{"active":"true"}}"#, "-"),
        (r#"{"match":{"year":"2020"}}"#, "-"),
        (r#"{"match":{"published":"2020-01-31"}}"#, "-"),
        (r#"{"match":{"published":{"query":"2020-01-31T10:00:00Z"}}}"#, "-"),
        (r#"{"match":{"owner":"550e8400-e29b-41d4-a716-446655440000"}}"#, "-"),
        (r#"{"match":{"doc_id":"A-12345"}}"#, "-"),
        (r#"{"match":{"_id":"A-12345"}}"#, "-"),
        (r#"{"match":{"country.keyword":"United Kingdom"}}"#, "-"),
        (r#"{"match":{"title":"1984"}}"#, "1984"),
        (r#"{"multi_match":{"query":"1984","fields":["title","year"]}}"#, "1984"),
        (r#"{"multi_match":{"query":"1984"}}"#, "1984"),
        (r#"{"multi_match":{"query":"1984","fields":["year"]}}"#, "-"),
        (r#"{"match":{"year":"2020 in review"}}"#, "2020 in review"),
        (
            r#"{"bool":{"must":[{"match":{"content":"red shoes"}},{"match":{"year":"2020"}},{"match":{"active":true}}]}}"#,
            "red shoes",
        ),
    ]);
}

#[test]
fn beside_a_vector_words_count_on_a_documents_fields_alone() {
    const KNN: &str = r#"{"knn":{"e":{"vector":[0.1,0.2],"k":10}}}"#;
    for (clause, text) in [
        (r#"{"match":{"lang":"UK"}}"#, "-"),
        (r#"{"match":{"content":"UK"}}"#, "UK"),
        (r#"{"match":{"content.english":"UK"}}"#, "UK"),
        (r#"{"match":{"content.keyword":"UK"}}"#, "-"),
        (r#"{"multi_match":{"query":"UK","fields":["lang","region"]}}"#, "-"),
        (r#"{"multi_match":{"query":"UK","fields":["lang","title^2"]}}"#, "UK"),
        (r#"{"multi_match":{"query":"UK","fields":["cont*^0.5"]}}"#, "UK"),
        (r#"{"multi_match":{"query":"UK","fields":["meta*"]}}"#, "-"),
        (r#"{"multi_match":{"query":"UK"}}"#, "UK"),
        (r#"{"query_string":{"query":"lang:UK"}}"#, "-"),
        (r#"{"query_string":{"query":"UK","default_field":"lang"}}"#, "-"),
        (r#"{"query_string":{"query":"UK title:(red shoes)","fields":["lang"]}}"#, "red shoes"),
        (r#"{"simple_query_string":{"query":"UK","fields":["lang"]}}"#, "-"),
        (r#"{"match_phrase":{"lang":"UK"}}"#, "-"),
        (r#"{"intervals":{"lang":{"match":{"query":"UK"}}}}"#, "-"),
        (r#"{"nested":{"path":"meta","query":{"match":{"meta.lang":"UK"}}}}"#, "-"),
    ] {
        for (vector, query) in [
            (KNN, format!(r#"{{"query":{{"bool":{{"must":[{clause},{KNN}]}}}}}}"#)),
            (KNN, format!(r#"{{"query":{{"hybrid":{{"queries":[{clause},{KNN}]}}}}}}"#)),
            ("top", format!(r#"{{"query":{clause},"knn":{{"field":"e","query_vector":[0.1]}}}}"#)),
            ("list", format!(r#"{{"query":{clause},"knn":[{{"field":"e","query_vector":[0.1]}}]}}"#)),
            (
                "retriever",
                format!(
                    r#"{{"retriever":{{"rrf":{{"retrievers":[{{"standard":{{"query":{clause}}}}},{{"knn":{{"field":"e","query_vector":[0.1]}}}}]}}}}}}"#
                ),
            ),
            (
                "linear",
                format!(
                    r#"{{"retriever":{{"linear":{{"retrievers":[{{"retriever":{{"standard":{{"query":{clause}}}}},"weight":2}},{{"retriever":{{"knn":{{"field":"e","query_vector":[0.1]}}}}}}]}}}}}}"#
                ),
            ),
            (
                "script",
                format!(
                    r#"{{"query":{{"script_score":{{"query":{clause},"script":{{"source":"_score + cosineSimilarity(params.v,'e')"}}}}}}}}"#
                ),
            ),
            (
                "function",
                format!(
                    r#"{{"query":{{"function_score":{{"query":{clause},"script_score":{{"script":"dotProduct(params.v,'e')"}}}}}}}}"#
                ),
            ),
            (
                "rescore",
                format!(
                    r#"{{"query":{clause},"rescore":{{"query":{{"rescore_query":{{"script_score":{{"query":{{"match_all":{{}}}},"script":"l2norm(params.v,'e')"}}}}}}}}}}"#
                ),
            ),
        ] {
            assert_eq!(question(&query), text, "{vector}: {query}");
        }
        // A vector that does not rank itself says nothing of the words.
        let filtered = format!(r#"{{"query":{{"bool":{{"must":[{clause}],"filter":[{KNN}]}}}}}}"#);
        let alone = question(&format!(r#"{{"query":{clause}}}"#));
        assert_eq!(question(&filtered), alone, "{filtered}");
    }
    // A text that is embedded is the question whatever its field.
    let neural = r#"{"query":{"bool":{"must":[{"neural":{"e":{"query_text":"red shoes"}}},{"match":{"lang":"UK"}}]}}}"#;
    assert_eq!(question(neural), "red shoes");
    let semantic = r#"{"query":{"bool":{"must":[{"semantic":{"field":"s","query":"red shoes"}},{"match":{"content":"boots"}}]}}}"#;
    assert_eq!(question(semantic), "several");
}

#[test]
fn orders_by_chance_popularity_or_nearness_are_reported() {
    const TEXT: &str = r#"{"match":{"content":"red shoes"}}"#;
    for (query, text) in [
        (
            r#"{"function_score":{"query":TEXT,"random_score":{"seed":7,"field":"_seq_no"},"boost_mode":"replace"}}"#,
            "other order",
        ),
        (r#"{"function_score":{"query":TEXT,"random_score":{}}}"#, "other order"),
        (r#"{"function_score":{"functions":[{"random_score":{}}]}}"#, "other order"),
        (r#"{"bool":{"must":[TEXT,{"function_score":{"random_score":{}}}]}}"#, "other order"),
        (r#"{"bool":{"must":[TEXT],"filter":[{"function_score":{"random_score":{}}}]}}"#, "red shoes"),
        (
            r#"{"function_score":{"query":TEXT,"field_value_factor":{"field":"likes"},"boost_mode":"replace"}}"#,
            "other order",
        ),
        (
            r#"{"function_score":{"query":TEXT,"functions":[{"gauss":{"date":{"origin":"now","scale":"10d"}}}],"boost_mode":"replace"}}"#,
            "other order",
        ),
        (r#"{"function_score":{"query":{"match_all":{}},"exp":{"date":{}}}}"#, "other order"),
        (r#"{"distance_feature":{"field":"location","origin":[1,2],"pivot":"1km"}}"#, "other order"),
        (
            r#"{"bool":{"must":{"match_all":{}},"should":[{"distance_feature":{"field":"d","origin":"now","pivot":"7d"}}]}}"#,
            "other order",
        ),
        (r#"{"rank_feature":{"field":"pagerank"}}"#, "other order"),
        (r#"{"rank_feature":{"field":"pagerank","boost":0}}"#, "-"),
        (r#"{"script_score":{"query":TEXT,"script":{"source":"doc['likes'].value"}}}"#, "other order"),
        (
            r#"{"bool":{"should":[TEXT,{"script_score":{"query":{"match":{"content":"uk"}},"script":"doc['likes'].value"}}]}}"#,
            "red shoes",
        ),
        (
            r#"{"function_score":{"query":{"knn":{"e":{"vector":[1],"k":3}}},"field_value_factor":{"field":"likes"}}}"#,
            "-",
        ),
    ] {
        let body = format!(r#"{{"query":{}}}"#, query.replace("TEXT", TEXT));
        assert_eq!(question(&body), text, "{body}");
    }
}

#[test]
fn retrievers_and_the_query_string_are_read_alike() {
    for (body, text) in [
        (
            r#"{"retriever":{"standard":{"query":{"match":{"content":"red shoes"}},"filter":{"match":{"content":"uk"}}}}}"#,
            "red shoes",
        ),
        (r#"{"retriever":{"standard":{"filter":{"match":{"content":"uk"}}}}}"#, "-"),
        (
            r#"{"retriever":{"knn":{"field":"e","query_vector":[1],"filter":{"match":{"content":"uk"}}}}}"#,
            "-",
        ),
        (
            r#"{"retriever":{"knn":{"field":"e","query_vector_builder":{"text_embedding":{"model_text":"red shoes"}}}}}"#,
            "red shoes",
        ),
        (r#"{"retriever":{"rrf":{"query":"red shoes","fields":["semantic_text","x"]}}}"#, "red shoes"),
        (r#"{"retriever":{"rrf":{"query":"red shoes"}}}"#, "red shoes"),
        (r#"{"retriever":{"rrf":{"query":"red shoes","fields":["title^0"]}}}"#, "-"),
        (
            r#"{"retriever":{"linear":{"retrievers":[{"retriever":{"standard":{"query":{"match":{"content":"uk"}}}},"weight":0},{"retriever":{"standard":{"query":{"match":{"content":"red shoes"}}}},"weight":"2"}]}}}"#,
            "red shoes",
        ),
        (
            r#"{"retriever":{"rrf":{"retrievers":[{"standard":{"query":{"constant_score":{"filter":{"match":{"content":"uk"}}}}}}]}}}"#,
            "-",
        ),
        (
            r#"{"retriever":{"standard":{"query":{"script_score":{"query":{"match":{"lang":"uk"}},"script":"dotProduct(params.v,'e')"}}}}}"#,
            "-",
        ),
        (
            r#"{"retriever":{"pinned":{"ids":["1"],"retriever":{"standard":{"query":{"match":{"content":"red shoes"}}}}}}}"#,
            "red shoes",
        ),
        (
            r#"{"retriever":{"rescorer":{"retriever":{"standard":{"query":{"match":{"lang":"uk"}}}},"rescore":{"query":{"rescore_query":{"knn":{"field":"e","query_vector":[1]}}}}}}}"#,
            "-",
        ),
        (
            r#"{"query":{"match":{"content":"uk"}},"post_filter":{"match":{"content":"nl"}},"rescore":{"query":{"query_weight":0,"rescore_query":{"match":{"content":"x"}}}}}"#,
            "-",
        ),
        (
            r#"{"sub_searches":[{"query":{"match":{"content":"red shoes"}}},{"query":{"bool":{"filter":{"match":{"content":"uk"}}}}}],"rank":{"rrf":{}}}"#,
            "red shoes",
        ),
        (
            r#"{"knn":{"field":"e","query_vector":[1],"filter":{"match":{"content":"uk"}}},"ext":{"generative_qa_parameters":{"llm_question":"red shoes"}}}"#,
            "red shoes",
        ),
        (r#"{"query":{"template":{"match":{"content":"${question}"}}}}"#, "-"),
    ] {
        assert_eq!(question(body), text, "{body}");
    }
    for (query, text) in [
        ("q=red+shoes", "red shoes"),
        ("q=title:%22red%20shoes%22", "red shoes"),
        ("q=lang:uk", "-"),
        ("q=lang:uk%20AND%20title:shoes", "shoes"),
        ("q=uk&df=content", "uk"),
        ("q=2020&df=year", "-"),
        ("q=shoes%20-leather%20year:%5B2019%20TO%202020%5D", "shoes"),
        ("q=*", "-"),
        ("q=*:*", "-"),
        ("q=_exists_:title", "-"),
    ] {
        assert_eq!(question_of(Some(query), r#"{"query":{"match":{"content":"other"}}}"#), text, "{query}");
    }
}

#[test]
fn syntax_is_taken_out_of_both_query_languages() {
    all(&[
        (r#"{"query_string":{"query":"shoes NOT leather"}}"#, "shoes"),
        (r#"{"query_string":{"query":"NOT leather"}}"#, "-"),
        (r#"{"query_string":{"query":"shoes AND NOT (leather OR lang:uk)"}}"#, "shoes"),
        (
            r#"{"query_string":{"query":"title:(red shoes) AND lang:uk AND year:[2019 TO 2020] AND name:/jo.n/"}}"#,
            "red shoes",
        ),
        (r#"{"query_string":{"query":"a:b -c","escape":true}}"#, "a:b -c"),
        (r#"{"simple_query_string":{"query":"shoes -leather"}}"#, "shoes"),
        (r#"{"simple_query_string":{"query":"shoes -leather","flags":"AND|OR"}}"#, "shoes -leather"),
        (r#"{"simple_query_string":{"query":"-leather"}}"#, "-"),
    ]);
}

#[test]
fn too_many_texts_are_no_question() {
    let clauses: Vec<String> = (0..70).map(|at| format!(r#"{{"match":{{"lang":"word {at} x"}}}}"#)).collect();
    assert_eq!(
        question(&format!(r#"{{"query":{{"bool":{{"should":[{}]}}}}}}"#, clauses.join(","))),
        "several"
    );
}

#[test]
fn what_vector_stores_send_is_a_question_only_where_its_words_are_in_it() {
    let searches = include_str!("../../../../tests/fixtures/vector-stores/searches.ndjson");
    let known = |name: &str| matches!(name, "text" | "content" | "title");
    for line in searches.lines() {
        let search: Json = serde_json::from_str(line).unwrap();
        let target = search["target"].as_str().unwrap();
        let params = Params::parse(target.split_once('?').map(|(_, query)| query)).unwrap();
        let body = Object::parse(search["body"].as_str().unwrap().as_bytes()).unwrap();
        let text = match native(&params, Some(&body), &mut |_| {}).among(known) {
            NativeText::One(text) => Some(text),
            NativeText::None | NativeText::OtherOrder => None,
            NativeText::Several | NativeText::ByField(_) => Some("several".to_owned()),
        };
        assert_eq!(text.as_deref(), search["question"].as_str(), "{}", search["name"]);
    }
}
