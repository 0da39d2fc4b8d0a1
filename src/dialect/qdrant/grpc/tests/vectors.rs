//! The vectors that a search ranks by.

use super::{messages::*, *};

fn vectors(method: &str, message: Vec<u8>, searches: &[usize]) -> Vec<(usize, Vec<f32>)> {
    let operation = operation(method);
    let mut found = Vec::new();
    let request = Request::read(operation.form, &message).unwrap();
    request
        .vectors(operation, searches, &mut |search, vector| found.push((search, vector.to_vec())))
        .unwrap();
    found
}

fn of(method: &str, message: &impl prost::Message) -> Vec<Vec<f32>> {
    vectors(method, message.encode_to_vec(), &[0]).into_iter().map(|(_, vector)| vector).collect()
}

#[test]
fn the_vectors_are_those_of_the_same_query_over_rest() {
    for json in [
        json!({"query": [1, -0.5]}),
        json!({"query": {"nearest": [1, -0.5]}}),
        json!({"query": {"recommend": {"positive": [[1, -0.5]]}}}),
        json!({"query": {"recommend": {"positive": [[1, -0.5], [2]]}}}),
        json!({"query": {"recommend": {"positive": [7]}}}),
        json!({"query": {"discover": {"target": [1, -0.5]}}}),
        json!({"query": {"relevance_feedback": {"target": [1, -0.5]}}}),
        json!({"query": {"text": "a", "model": "m"}}),
        json!({"query": 7}),
        json!({"query": [5], "prefetch": {"query": [6]}}),
        json!({"query": {"fusion": "rrf"}, "prefetch": [{"query": [1, 2]},
            {"query": {"indices": [1], "values": [0.5]}, "prefetch": {"query": {"nearest": [3]}}}]}),
    ] {
        let mut of_rest = Vec::new();
        let headers = HeaderMap::new();
        let head = Head {
            method: &Method::POST,
            path: "/collections/kb/points/query",
            query: None,
            headers: &headers,
        };
        let request = Qdrant.read_body(&head, &Bytes::from(json.to_string())).unwrap();
        request.vectors(&[0], &mut |_, vector| of_rest.push(vector.to_vec())).unwrap();
        assert_eq!(of("Query", &of_json::query_points(&json)), of_rest, "{json}");
    }
}

#[test]
fn the_vector_of_every_older_call_is_found() {
    let data = vec![1.0, -0.5];
    let search = SearchPoints { vector: data.clone(), limit: 3, ..Default::default() };
    assert_eq!(of("Search", &search), [[1.0, -0.5]]);
    let sparse = SearchPoints { sparse_indices: Some(vec![10, 1, 3]), ..search };
    assert!(of("Search", &sparse).is_empty(), "a sparse one");
    let groups = SearchPointGroups { vector: data.clone(), ..Default::default() };
    assert_eq!(of("SearchGroups", &groups), [[1.0, -0.5]]);

    let old = Vector { data: data.clone(), ..Default::default() };
    let new = Vector { dense: Some(DenseVector { data }), ..Default::default() };
    for vector in [&old, &new] {
        let target = Some(TargetVector { single: Some(VectorExample { vector: Some(vector.clone()) }) });
        assert_eq!(of("Discover", &DiscoverPoints { target, ..Default::default() }), [[1.0, -0.5]]);
        let one = RecommendPoints { positive_vectors: vec![vector.clone()], ..Default::default() };
        assert_eq!(of("Recommend", &one), [[1.0, -0.5]]);
        let one_for_groups =
            RecommendPointGroups { positive_vectors: vec![vector.clone()], ..Default::default() };
        assert_eq!(of("RecommendGroups", &one_for_groups), [[1.0, -0.5]]);
        let two = RecommendPoints { positive_vectors: vec![vector.clone(); 2], ..one.clone() };
        let with_point = RecommendPoints { positive: vec![vec![16, 7]], ..one.clone() };
        let but_not = RecommendPoints { negative_vectors: vec![vector.clone()], ..one };
        for several in [two, with_point, but_not] {
            assert!(of("Recommend", &several).is_empty());
        }
    }
}

#[test]
fn only_the_searches_of_a_batch_that_are_asked_for_are_read() {
    let query = |json: Json| of_json::query_points(&json!({ "query": json }));
    let batch = QueryBatchPoints {
        query_points: vec![query(json!([1])), query(json!([2])), query(json!(7)), query(json!([4]))],
        ..Default::default()
    };
    assert_eq!(vectors("QueryBatch", batch.encode_to_vec(), &[1, 2, 3, 9]), [(1, vec![2.0]), (3, vec![4.0])]);
}

#[test]
fn a_vector_with_a_number_that_is_none_is_left_out() {
    let search = SearchPoints { vector: vec![1.0, f32::NAN], limit: 3, ..Default::default() };
    assert!(of("Search", &search).is_empty());
}
