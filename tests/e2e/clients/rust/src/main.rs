//! The searches of `../README.md` with the official Rust client.

use std::env;

use qdrant_client::qdrant::{
    Condition, Filter, PointId, QueryBatchPointsBuilder, QueryPointGroupsBuilder, group_id,
    point_id::PointIdOptions,
};
use serde_json::{Value, json};

// --- recipe
use qdrant_client::{
    Qdrant, QdrantError,
    qdrant::{QueryPointsBuilder, ScoredPoint},
};

fn connect(port: u16) -> Result<Qdrant, QdrantError> {
    Qdrant::from_url(&format!("http://127.0.0.1:{port}")).build()
}

/// A client whose searches are reranked for `text`; it shares the connections of `client`.
fn asking(client: &Qdrant, text: &str) -> Qdrant {
    client.with_header("x-rerank-query", urlencoding::encode(text))
}

async fn search(
    client: &Qdrant,
    collection: &str,
    vector: Vec<f32>,
    limit: u64,
) -> Result<Vec<ScoredPoint>, QdrantError> {
    let request = QueryPointsBuilder::new(collection).query(vector).limit(limit).with_payload(true);
    Ok(client.query(request).await?.result)
}
// --- recipe

async fn filtered(
    client: &Qdrant,
    collection: &str,
    vector: Vec<f32>,
    topic: &str,
) -> Result<Value, QdrantError> {
    let filter = Filter::must([Condition::matches("topic", topic.to_owned())]);
    let request =
        QueryPointsBuilder::new(collection).query(vector).filter(filter).limit(4).with_payload(true);
    Ok(ids(&client.query(request).await?.result))
}

async fn batch(client: &Qdrant, collection: &str, vector: Vec<f32>) -> Result<Value, QdrantError> {
    let one = QueryPointsBuilder::new(collection).query(vector).with_payload(true);
    let searches = vec![one.clone().limit(4).build(), one.limit(3).offset(2).build()];
    let response = client.query_batch(QueryBatchPointsBuilder::new(collection, searches)).await?;
    Ok(response.result.iter().map(|one| ids(&one.result)).collect())
}

async fn groups(client: &Qdrant, collection: &str, vector: Vec<f32>) -> Result<Value, QdrantError> {
    let request = QueryPointGroupsBuilder::new(collection, "topic")
        .query(vector)
        .limit(3_u64)
        .group_size(3_u64)
        .with_payload(true);
    let groups = client.query_groups(request).await?.result.unwrap_or_default().groups;
    let name = |id: group_id::Kind| match id {
        group_id::Kind::StringValue(name) => name,
        other => format!("{other:?}"),
    };
    let pairs =
        groups.into_iter().map(|group| json!([group.id.and_then(|id| id.kind).map(name), ids(&group.hits)]));
    Ok(pairs.collect())
}

fn ids(points: &[ScoredPoint]) -> Value {
    let id = |point: &ScoredPoint| match &point.id {
        Some(PointId { point_id_options: Some(PointIdOptions::Num(id)) }) => json!(id),
        other => json!(format!("{other:?}")),
    };
    points.iter().map(id).collect()
}

/// One line for each search: its ids in their order, or the status that it ended with.
fn show(search: &str, result: Result<Value, QdrantError>) {
    let line = match result {
        Ok(ids) => json!({"search": search, "ids": ids}),
        Err(QdrantError::ResponseError { status }) => {
            json!({"search": search, "code": status.code() as i32, "message": status.message()})
        }
        Err(other) => json!({"search": search, "failed": other.to_string()}),
    };
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = env::var("QDRANT_GRPC_PORT")?.parse()?;
    let (collection, topic) = (env::var("COLLECTION")?, env::var("TOPIC")?);
    let vector: Vec<f32> = env::var("VECTOR")?.split(',').map(str::parse).collect::<Result<_, _>>()?;

    let mut client = connect(port)?;
    if let Ok(text) = env::var("QUERY_TEXT") {
        client = asking(&client, &text);
    }

    show("plain", search(&client, &collection, vector.clone(), 5).await.map(|points| ids(&points)));
    show("filtered", filtered(&client, &collection, vector.clone(), &topic).await);
    show("batch", batch(&client, &collection, vector.clone()).await);
    show("groups", groups(&client, &collection, vector.clone()).await);
    show("unknown", search(&client, "missing", vector, 5).await.map(|points| ids(&points)));
    Ok(())
}
