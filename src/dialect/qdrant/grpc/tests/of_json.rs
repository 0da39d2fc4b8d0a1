//! The messages for what the REST interface says in JSON, as the clients turn one into the other.

use serde_json::Value as Json;

use super::messages::*;

/// A search.
pub fn query_points(json: &Json) -> QueryPoints {
    QueryPoints {
        collection_name: "kb".to_owned(),
        prefetch: prefetches(json),
        query: json.get("query").map(query),
        limit: json["limit"].as_u64(),
        offset: json["offset"].as_u64(),
        with_vectors: json.get("with_vector").map(selector),
        with_payload: json.get("with_payload").map(selector),
        ..QueryPoints::default()
    }
}

fn prefetches(json: &Json) -> Vec<PrefetchQuery> {
    let one = |json: &Json| PrefetchQuery {
        prefetch: prefetches(json),
        query: json.get("query").map(query),
        limit: json["limit"].as_u64(),
    };
    match &json["prefetch"] {
        Json::Null => Vec::new(),
        Json::Array(list) => list.iter().map(one).collect(),
        single => vec![one(single)],
    }
}

pub fn selector(json: &Json) -> Selector {
    let names = |list: &Json| Names {
        names: list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
    };
    let selected = match json {
        Json::Bool(enable) => Selected::Enable(*enable),
        Json::Array(_) => Selected::Include(names(json)),
        _ => match json.get("include") {
            Some(list) => Selected::Include(names(list)),
            None => Selected::Exclude(names(&json["exclude"])),
        },
    };
    Selector { selected: Some(selected) }
}

pub fn query(json: &Json) -> Query {
    let get = |key: &str| json.get(key);
    let target = |of: &Json| Target { target: of.get("target").map(input), other: Some(Vec::new()) };
    let variant = if json.is_array() || json.is_number() || get("model").is_some() || get("indices").is_some()
    {
        Variant::Nearest(input(json))
    } else if let Some(nearest) = get("nearest") {
        match get("mmr") {
            None => Variant::Nearest(input(nearest)),
            Some(_) => {
                Variant::NearestWithMmr(Target { target: Some(input(nearest)), other: Some(Vec::new()) })
            }
        }
    } else if let Some(examples) = get("recommend") {
        let positive = examples["positive"].as_array().into_iter().flatten().map(input).collect();
        let strategy = examples["strategy"].as_str().map(|name| i32::from(name == "best_score"));
        Variant::Recommend(Recommend { positive, strategy })
    } else if let Some(discover) = get("discover") {
        Variant::Discover(target(discover))
    } else if let Some(feedback) = get("relevance_feedback") {
        Variant::RelevanceFeedback(target(feedback))
    } else if get("context").is_some() {
        Variant::Context(Vec::new())
    } else if get("order_by").is_some() {
        Variant::OrderBy(Vec::new())
    } else if let Some(fusion) = get("fusion") {
        Variant::Fusion(i32::from(fusion == "dbsf"))
    } else if get("sample").is_some() {
        Variant::Sample(0)
    } else if get("rrf").is_some() {
        Variant::Rrf(Vec::new())
    } else if let Some(formula) = get("formula") {
        Variant::Formula(Formula { expression: Some(expression(formula)) })
    } else if let Some(text) = get("text") {
        let text = text.get("query").unwrap_or(text);
        Variant::Text(Text { query: text.as_str().unwrap().to_owned() })
    } else {
        return Query { variant: None };
    };
    Query { variant: Some(variant) }
}

fn input(json: &Json) -> VectorInput {
    let variant = match json {
        Json::Array(numbers) => {
            let data = numbers.iter().map(|number| number.as_f64().unwrap() as f32).collect();
            Input::Dense(DenseVector { data })
        }
        Json::Object(members) if members.contains_key("text") => Input::Document(Document {
            text: json["text"].as_str().unwrap().to_owned(),
            model: json["model"].as_str().unwrap().to_owned(),
        }),
        Json::Object(members) if members.contains_key("indices") => Input::Sparse(Vec::new()),
        Json::Object(members) if members.contains_key("image") => Input::Image(Vec::new()),
        Json::Object(_) => Input::Object(Vec::new()),
        _ => Input::Id(Vec::new()),
    };
    VectorInput { variant: Some(variant) }
}

pub fn expression(json: &Json) -> Expression {
    let inside = |key: &str| Box::new(expression(&json[key]));
    let operands =
        |key: &str| Operands { of: json[key].as_array().unwrap().iter().map(expression).collect() };
    let pair = |key: &str, [first, second]: [&str; 2]| {
        let of = |name: &str| json[key].get(name).map(|json| Box::new(expression(json)));
        Box::new(Pair { first: of(first), second: of(second) })
    };
    let variant = match json {
        Json::Number(number) => Term::Constant(number.as_f64().unwrap() as f32),
        Json::String(name) => Term::Variable(name.clone()),
        Json::Object(members) => match members.keys().next().unwrap().as_str() {
            "mult" => Term::Mult(operands("mult")),
            "sum" => Term::Sum(operands("sum")),
            "max" => Term::Max(operands("max")),
            "min" => Term::Min(operands("min")),
            "div" => Term::Div(pair("div", ["left", "right"])),
            "pow" => Term::Pow(pair("pow", ["base", "exponent"])),
            "neg" => Term::Neg(inside("neg")),
            "abs" => Term::Abs(inside("abs")),
            "sqrt" => Term::Sqrt(inside("sqrt")),
            "exp" => Term::Exp(inside("exp")),
            "log10" => Term::Log10(inside("log10")),
            "ln" => Term::Ln(inside("ln")),
            "acosh" => Term::Acosh(inside("acosh")),
            "exp_decay" => Term::Decay(pair("exp_decay", ["x", "target"])),
            "geo_distance" => Term::GeoDistance(Vec::new()),
            "datetime_key" => Term::DatetimeKey(String::new()),
            _ => Term::Condition(Vec::new()),
        },
        _ => return Expression { variant: None },
    };
    Expression { variant: Some(variant) }
}
