//! The small sections: `admin`, `inspector`, `rerank_api`, `cache`, `limits`, `memory`, `shutdown`.

use super::listener::tls;
use crate::config::{
    AdminConfig, CacheConfig, LimitsConfig, MemoryConfig, RecordSettings, RedisConfig, RerankApiConfig,
    ShutdownConfig,
    kind::Kind,
    setting::{By, Reload, Setting, Shown, by, print, setting},
    words::CAPTURES,
};

/// The least and the most of what is held in memory, as `usize` holds it.
const MEMORY: Kind = Kind::Size(1 << 10, u64::MAX);

/// `admin`.
pub(in crate::config) static ADMIN: &[Setting<AdminConfig>] = &[
    setting(
        "listen",
        Kind::Address,
        "/livez, /readyz, /metrics for everyone; the inspector at / for this machine",
        |to: &mut AdminConfig| &mut to.listen,
    )
    .flag("--admin")
    .reload(Reload::Restart),
    setting(
        "token_file",
        Kind::File,
        "a file with a bearer token that opens the inspector to others; re-read on reload",
        |to| &mut to.token_file,
    ),
    setting(
        "ready_needs_upstream",
        Kind::Bool,
        "whether /readyz fails while an upstream cannot be reached",
        |to| &mut to.ready_needs_upstream,
    ),
];

/// `inspector`.
pub(in crate::config) static INSPECTOR: &[Setting<RecordSettings>] = &[
    setting(
        "capture",
        Kind::Switch(CAPTURES),
        "what is kept of the last searches: off | scores (ids and scores) | text (also text)",
        |to| &mut to.capture,
    ),
    setting("keep", Kind::Whole(1, 10_000), "how many of them", |to| &mut to.keep),
    setting("max_bytes", MEMORY, "the most that all of them may take", |to| &mut to.max_bytes),
];

/// `rerank_api`.
pub(in crate::config) static RERANK_API: &[Setting<RerankApiConfig>] = &[
    setting("listen", Kind::Address, "such as 127.0.0.1:6353; off if not set", |to| &mut to.listen),
    by(
        "tls",
        Kind::Section,
        "TLS for callers, with the keys of a listener's",
        By::Section(|of, out, at| tls(out, at, of.tls.as_ref())),
    ),
    by(
        "providers",
        Kind::List(&Kind::Name),
        "names of `providers`, tried in order; those of rerank if not set",
        By::Hand(|of| of.providers.clone().map_or(Shown::Null, Shown::List)),
    ),
    setting(
        "allow_models",
        Kind::List(&Kind::Name),
        "models that callers may ask Cohere for, beside the configured one; [] for none",
        |to| &mut to.allow_models,
    ),
    setting("deadline", Kind::Duration, "from a request's head to its response", |to| &mut to.deadline),
    setting("max_documents", Kind::Whole(1, 10_000), "more are rejected", |to| &mut to.max_documents),
    setting("max_request_bytes", MEMORY, "larger bodies are rejected", |to| &mut to.max_request_bytes),
    setting("response_headers", Kind::Bool, "x-rerank-* and server-timing on its responses", |to| {
        &mut to.response_headers
    }),
    setting(
        "pass_on",
        Kind::Bool,
        "pass Cohere's other calls (embed, chat, …) on to embeddings.services.cohere, with the caller's own key",
        |to| &mut to.pass_on,
    ),
    setting(
        "token_file",
        Kind::File,
        "a file that holds the token which callers have to send as their API key",
        |to| &mut to.token_file,
    ),
];

/// `cache`.
pub(in crate::config) static CACHE: &[Setting<CacheConfig>] = &[
    setting(
        "max_bytes",
        Kind::SizeOrOff,
        "scores only, never texts; beside them up to an eighth more for where the hits of repeated searches stand; 0 switches it off",
        |to: &mut CacheConfig| &mut to.max_bytes,
    )
    .reload(Reload::EmptiesCache),
    setting("ttl", Kind::Duration, "how long a score is good", |to: &mut CacheConfig| &mut to.ttl)
        .reload(Reload::EmptiesCache),
    setting(
        "secret_file",
        Kind::File,
        "the secret under which entries are hashed; random at each start if not set",
        |to: &mut CacheConfig| &mut to.secret_file,
    )
    .reload(Reload::EmptiesCache),
    by(
        "redis",
        Kind::Section,
        "Redis or Valkey as a second tier, which the sidecars of a fleet share: the URL alone, or a map. It needs a \
         secret_file, the same for all",
        By::Section(|of: &CacheConfig, out, at| match &of.redis {
            Some(redis) => {
                out.line(at, "redis:");
                print(REDIS, out, at + 2, redis);
            }
            None => out.set(at, "redis", "null"),
        }),
    )
    .reload(Reload::EmptiesCache),
];

/// `cache.redis`.
pub(in crate::config) static REDIS: &[Setting<RedisConfig>] = &[
    by(
        "url",
        Kind::RedisUrl,
        "rediss://user:password@host:6379/0, redis:// without TLS; redis+cluster://host1:7000,host2:7000; \
         redis+sentinel://host1:26379,host2:26379/mymaster/0",
        By::Hand(|of| Shown::One(of.fleet.address.masked())),
    ),
    setting(
        "timeout",
        Kind::Duration,
        "timeout of a search's reads; a breaker skips a slow or dead one",
        |to| &mut to.fleet.timeout,
    ),
    setting("ca_file", Kind::Certificate, "trust this PEM file instead of the system's roots", |to| {
        &mut to.fleet.ca_file
    }),
    setting("password_file", Kind::File, "a file that holds the password, instead of the URL", |to| {
        &mut to.fleet.password_file
    }),
    by("cluster", Kind::Bool, "the host is a node of a cluster: as redis+cluster://", By::Read("false")),
    setting("prefix", Kind::KeyPrefix, "what every key begins with", |to| &mut to.fleet.prefix),
    setting(
        "share_limits",
        Kind::Bool,
        "requests_per_minute and budgets are the fleet's, not each sidecar's",
        |to| &mut to.share_limits,
    ),
];

/// `limits`.
pub(in crate::config) static LIMITS: &[Setting<LimitsConfig>] = &[
    setting("max_request_bytes", MEMORY, "larger searches are forwarded without reranking", |to| {
        &mut to.max_request_bytes
    }),
    setting(
        "max_response_bytes",
        MEMORY,
        "larger responses, unpacked, are passed on without reranking",
        |to| &mut to.max_response_bytes,
    ),
    setting(
        "max_searches_in_flight",
        Kind::Whole(1, 100_000),
        "more are forwarded without reranking, requests to the rerank API rejected; null: one for each 256KiB of \
         memory.max_buffered, 16 to 256 a CPU",
        |to| &mut to.max_searches_in_flight,
    ),
    setting(
        "max_headers",
        Kind::Whole(1, 10_000),
        "of a request (else 431) and of a response (else 502)",
        |to| &mut to.max_headers,
    ),
    // hyper reads no less than 8 KiB at a time.
    setting("max_head_bytes", Kind::Size(8 << 10, 1 << 20), "likewise, target and headers together", |to| {
        &mut to.max_head_bytes
    }),
    setting("head_timeout", Kind::MaxWait, "from the first byte of a request's head to its last", |to| {
        &mut to.head_timeout
    }),
    setting("idle_timeout", Kind::MaxWait, "a client's connection without a request is closed", |to| {
        &mut to.idle_timeout
    }),
    setting(
        "body_timeout",
        Kind::MaxWait,
        "while no byte of a body moves, whichever side is to blame",
        |to| &mut to.body_timeout,
    ),
    setting(
        "tunnel_timeout",
        Kind::MaxWait,
        "while nothing goes through a connection that has switched protocols",
        |to| &mut to.tunnel_timeout,
    ),
];

/// `memory`.
pub(in crate::config) static MEMORY_SECTION: &[Setting<MemoryConfig>] = &[setting(
    "max_buffered",
    MEMORY,
    "everything that is buffered, together; what has no room is forwarded without reranking. null: a quarter of the \
     container's or machine's memory, 16MiB to 1GiB",
    |to| &mut to.max_buffered,
)];

/// `shutdown`.
pub(in crate::config) static SHUTDOWN: &[Setting<ShutdownConfig>] = &[
    setting(
        "delay",
        Kind::Delay,
        "how long to go on serving before the listeners close; behind a Kubernetes Service 5s",
        |to| &mut to.delay,
    ),
    setting(
        "grace",
        Kind::Delay,
        "then how long open requests, streams and tunnels may take to finish",
        |to| &mut to.grace,
    ),
];
