//! `cache.redis`.

use super::{
    tests::{bad, good, try_load},
    to_yaml,
};

/// A secret file, and `text` with its path in place of `SECRET`.
fn with_secret(text: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "32 random bytes").unwrap();
    let text = text.replace("SECRET", &format!("secret_file: '{}'", file.path().display()));
    (file, text)
}

#[test]
fn redis_is_a_url_or_a_map_and_variables_set_either() {
    let (_file, short) = with_secret("cache: { SECRET, redis: 'redis://app:s3cret@cache/2' }");
    let redis = good(&short, &[]).cache.redis.unwrap();
    assert_eq!(redis.fleet.address.to_string(), "redis://cache:6379/2");
    assert_eq!(
        (redis.fleet.timeout.as_millis(), redis.fleet.prefix.as_str(), redis.share_limits),
        (20, "rerankd", false)
    );
    let (_file, long) = with_secret(
        "cache: { SECRET, redis: { url: 'redis://a:7000', cluster: true, timeout: 50ms, prefix: 'x:y', \
         share_limits: true } }",
    );
    let redis = good(&long, &[]).cache.redis.unwrap();
    assert_eq!(redis.fleet.address.to_string(), "redis+cluster://a:7000");
    assert_eq!(
        (redis.fleet.timeout.as_millis(), redis.fleet.prefix.as_str(), redis.share_limits),
        (50, "x:y", true)
    );

    for text in [&short, &long] {
        let pairs = [("RERANKD_CACHE__REDIS", "rediss://other"), ("RERANKD_CACHE__REDIS__TIMEOUT", "9ms")];
        let redis = good(text, &pairs).cache.redis.unwrap();
        assert!(redis.fleet.address.to_string().contains("//other:6379"), "{:?}", redis.fleet.address);
        assert_eq!(redis.fleet.timeout.as_millis(), 9);
        assert!(good(text, &[("RERANKD_CACHE__REDIS", "")]).cache.redis.is_none());
    }
    let (_file, none) = with_secret("cache: { SECRET }");
    assert!(good(&none, &[("RERANKD_CACHE__REDIS", "redis://a")]).cache.redis.is_some());
}

#[test]
fn a_redis_that_cannot_be_used_is_reported_and_its_url_never_quoted() {
    let pem = tempfile::NamedTempFile::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    std::fs::write(pem.path(), made.cert.pem()).unwrap();
    for (redis, expected) in [
        ("s3cret", "cache.redis.url: the URL has to begin with redis://"),
        ("'redis://u:s3cret@a:0'", "cache.redis.url: the URL's host or port is not valid"),
        ("'redis://u:s3cret@a,b'", "several hosts are only for"),
        ("{ timeout: 3ms }", "cache.redis.url: Redis's URL is missing"),
        ("{ ulr: x }", "unknown key `ulr`; did you mean `url`?"),
        ("{ url: 'redis://a/1', cluster: true }", "cache.redis.cluster: a cluster has only database 0"),
        ("{ url: 'redis://a', timeout: 20 }", "cache.redis.timeout: `20` is not a duration"),
        ("{ url: 'redis://a', prefix: '{a}' }", "cache.redis.prefix: `{a}` cannot be a prefix"),
        ("{ url: 'redis://a', ca_file: PEM }", "cache.redis.ca_file: a CA file is only used with TLS"),
        ("{ url: 'rediss://a', ca_file: Cargo.toml }", "cache.redis.ca_file: "),
        ("{ url: 'redis://:s3cret@a', password_file: Cargo.toml }", "the URL holds a password too"),
        ("{ url: 'redis://a', password_file: /no/such/file }", "cannot be read"),
        ("[a]", "cache.redis: this has to be a map"),
    ] {
        let redis = redis.replace("PEM", pem.path().to_str().unwrap());
        let (_file, text) = with_secret(&format!("cache: {{ SECRET, redis: {redis} }}"));
        let problems = bad(&text);
        assert!(problems.contains(expected) && !problems.contains("s3cret"), "{redis} gave {problems}");
    }
}

#[test]
fn redis_without_a_common_secret_or_a_first_tier_is_reported() {
    let problems = bad("cache: { redis: 'redis://a' }");
    assert!(
        problems.contains("cache.secret_file: cache.redis needs a secret file, the same for all"),
        "{problems}"
    );
    let (_file, text) = with_secret("cache: { SECRET, max_bytes: 0, redis: 'redis://a' }");
    assert!(bad(&text).contains("cache.max_bytes: cache.redis is the second tier"));
}

#[test]
fn redis_is_printed_without_its_login() {
    let (_file, text) = with_secret("cache: { SECRET, redis: 'redis://app:s3cret@cache' }");
    let config = good(&text, &[]);
    let printed = to_yaml(&config);
    assert!(printed.contains("    url: \"redis://***@cache:6379/0\"\n    timeout: 20ms\n"), "{printed}");
    assert!(!printed.contains("s3cret") && !format!("{config:?}").contains("s3cret"));
    let (_file, text) = with_secret("cache: { SECRET, redis: { url: 'redis://a', share_limits: true } }");
    let printed = to_yaml(&good(&text, &[]));
    let again = printed.lines().filter(|l| !l.contains("api_key:")).collect::<Vec<_>>().join("\n");
    assert_eq!(to_yaml(&try_load(&again, &[]).unwrap()), printed);
}
