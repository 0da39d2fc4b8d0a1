//! The ids that databases give their hits.

use crate::{
    search::{Hit, HitId},
    wire::json::{Kind, Object},
};

/// Which members of a hit say which hit it is.
pub(super) struct IdKeys {
    pub(super) id: &'static str,
    pub(super) index: Option<&'static str>,
}

/// The id of a hit of `body`; members that are neither text nor a number are none.
pub(super) fn hit_id(body: &[u8], hit: &Hit, keys: &IdKeys) -> HitId {
    let members = Object::within(body, hit.span.clone()).map(Object::into_members).unwrap_or_default();
    let word = |key: &str| {
        let value = members.iter().rev().find(|member| member.key == key)?.value;
        match value.kind() {
            Kind::String => value.as_str().map(|text| text.into_owned()),
            // As it is written: 64 bits are more than a JavaScript number holds.
            Kind::Number => Some(value.text().to_owned()),
            _ => None,
        }
    };
    HitId { id: word(keys.id).unwrap_or_default(), index: keys.index.and_then(word) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use crate::{
        dialect::{Dialect, Elastic, qdrant::Qdrant},
        search::{Head, HitId},
    };

    fn ids(dialect: &dyn Dialect, path: &str, body: &'static str) -> Vec<HitId> {
        let headers = HeaderMap::new();
        let head = Head { method: &Method::POST, path, query: None, headers: &headers };
        let page = dialect.split(&head, Bytes::from_static(body.as_bytes())).unwrap();
        page.lists[0].hits.iter().map(|hit| dialect.id(&page.body, hit)).collect()
    }

    #[test]
    fn a_hit_is_called_what_its_database_calls_it_digit_by_digit() {
        let body = r#"{"result":{"points":[{"id":18446744073709551615,"score":1,"payload":{"id":"no"}},
            {"id":"5c56c793-69f3-4fbf-87e6-c4bf54c28c26","score":1},{"score":1}]}}"#;
        let found = ids(&Qdrant, "/collections/c/points/query", body);
        let found: Vec<(&str, Option<&str>)> =
            found.iter().map(|id| (id.id.as_str(), id.index.as_deref())).collect();
        let uuid = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26";
        assert_eq!(found, [("18446744073709551615", None), (uuid, None), ("", None)]);

        let body = r#"{"hits":{"hits":[{"_index":"a","_id":"x\u0041","_score":1,"_source":{"_id":"no"}}]}}"#;
        let found = ids(&Elastic, "/a,b/_search", body);
        assert_eq!(found, [HitId { id: "xA".to_owned(), index: Some("a".to_owned()) }]);
    }
}
