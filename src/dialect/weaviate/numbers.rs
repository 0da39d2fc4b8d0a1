//! The field numbers of requests.

/// `SearchRequest`: what is searched.
pub(super) const COLLECTION: u32 = 1;
/// What comes back of a hit.
pub(super) const PROPERTIES: u32 = 20;
/// Which hits come back; a limit of 0 is the server's own.
pub(super) const LIMIT: u32 = 30;
pub(super) const OFFSET: u32 = 31;
/// The hits end where scores jump.
pub(super) const AUTOCUT: u32 = 32;
/// A walk through all objects, by their ids.
pub(super) const AFTER: u32 = 33;
pub(super) const SORT_BY: u32 = 34;
/// What hits are ranked by: one of these numbers.
pub(super) const HYBRID: u32 = 41;
pub(super) const BM25: u32 = 42;
pub(super) const NEAR_VECTOR: u32 = 43;
pub(super) const NEAR_TEXT: u32 = 45;
/// The last one: near to a recording of motion.
pub(super) const LAST_OPERATOR: u32 = 51;
/// The client knows the responses of servers from 1.23 on.
pub(super) const USES_123: u32 = 100;

/// Those, and what changes nothing about the order: tenant, consistency, metadata, filters, and what the client knows.
/// Groups, generation, a reranker of the database's own, a boost and whatever comes later are none of them.
pub(super) const KNOWN: [u32; 23] =
    [1, 10, 11, 20, 21, 30, 31, 32, 33, 34, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, USES_123];
/// The same of newer servers.
pub(super) const KNOWN_FLAGS: [u32; 2] = [101, 102];

/// The text of `BM25` and `Hybrid`; the texts of `NearTextSearch`.
pub(super) const QUERY: u32 = 1;

/// The vectors of a `Hybrid`.
pub(super) mod hybrid {
    pub(in super::super) const VECTOR: u32 = 3;
    pub(in super::super) const VECTOR_BYTES: u32 = 6;
    pub(in super::super) const NEAR_TEXT: u32 = 8;
    pub(in super::super) const NEAR_VECTOR: u32 = 9;
    pub(in super::super) const VECTORS: u32 = 21;
}

/// Those of a `NearVector`.
pub(super) mod near_vector {
    pub(in super::super) const VECTOR: u32 = 1;
    pub(in super::super) const VECTOR_BYTES: u32 = 4;
    pub(in super::super) const TARGET_VECTORS: u32 = 5;
    pub(in super::super) const TARGETS: u32 = 6;
    /// A map from targets to bytes.
    pub(in super::super) const VECTOR_PER_TARGET: u32 = 7;
    pub(in super::super) const VECTOR_FOR_TARGETS: u32 = 8;
    pub(in super::super) const VECTORS: u32 = 9;
}

/// `Vectors`: one vector, or several as one.
pub(super) mod vectors {
    pub(in super::super) const BYTES: u32 = 3;
    pub(in super::super) const TYPE: u32 = 4;
    /// The type of several as one.
    pub(in super::super) const MULTI: u64 = 2;
}

/// `VectorForTarget`.
pub(super) mod for_target {
    pub(in super::super) const BYTES: u32 = 2;
    pub(in super::super) const VECTORS: u32 = 3;
}

/// The value in an entry of a map.
pub(super) const VALUE: u32 = 2;

/// `PropertiesRequest`.
pub(super) mod properties {
    pub(in super::super) const NAMES: u32 = 1;
    pub(in super::super) const OBJECTS: u32 = 3;
    pub(in super::super) const ALL: u32 = 11;
}
