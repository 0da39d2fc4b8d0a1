//! The `providers` section: what each kind needs, takes and rejects.

use std::{collections::HashMap, path::Path};

use secrecy::ExposeSecret;

use super::*;
use crate::rerank::{Activation, ApiKey, HttpKind, HttpSettings, ProviderKind, Scoring};

fn try_load(providers: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
    let file = format!("listeners: [{{ upstream: {{ url: 'http://db' }} }}]\nproviders: {{ {providers} }}");
    let env: HashMap<String, String> =
        env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    load(Some((Path::new("f.yaml"), &file)), &env, &Flags::default())
}

/// The first provider, which has to load.
fn good(provider: &str, env: &[(&str, &str)]) -> HttpSettings {
    let config = try_load(provider, env).unwrap_or_else(|problems| panic!("{provider}: {problems}"));
    match &config.providers[0].kind {
        ProviderKind::Http(http) => http.clone(),
        ProviderKind::Lexical(_) => panic!("{provider} is lexical"),
    }
}

/// The problems of a provider that must not load.
fn bad(provider: &str) -> String {
    try_load(provider, &[]).unwrap_err().to_string()
}

fn secret(settings: &HttpSettings) -> Option<&str> {
    match &settings.api_key {
        ApiKey::Secret(key) => Some(key.expose_secret()),
        ApiKey::Missing | ApiKey::NotNeeded => None,
    }
}

/// What the smallest entry of each kind gives: its variable, address and model.
const SMALLEST: [(&str, &str, &str, Option<&str>); HttpKind::ALL.len()] = [
    ("a: { kind: cohere }", "CO_API_KEY", "https://api.cohere.com", Some("rerank-v3.5")),
    ("a: { kind: cohere-v1, base_url: 'http://h' }", "COHERE_API_KEY", "http://h", Some("rerank-v3.5")),
    ("a: { kind: jina }", "JINA_API_KEY", "https://api.jina.ai", Some("jina-reranker-v2-base-multilingual")),
    ("a: { kind: voyage }", "VOYAGE_API_KEY", "https://api.voyageai.com", Some("rerank-2.5")),
    (
        "a: { kind: mixedbread }",
        "MXBAI_API_KEY",
        "https://api.mixedbread.com",
        Some("mixedbread-ai/mxbai-rerank-large-v2"),
    ),
    ("a: { kind: pinecone }", "PINECONE_API_KEY", "https://api.pinecone.io", Some("bge-reranker-v2-m3")),
    ("a: { kind: tei, base_url: 'http://h:80/p/', api_key_env: K }", "K", "http://h:80/p", None),
    (
        "a: { kind: nvidia-nim }",
        "NVIDIA_API_KEY",
        "https://ai.api.nvidia.com",
        Some("nvidia/llama-3.2-nv-rerankqa-1b-v2"),
    ),
    ("a: { kind: together, model: m }", "TOGETHER_API_KEY", "https://api.together.ai", Some("m")),
    ("a: { kind: zeroentropy }", "ZEROENTROPY_API_KEY", "https://api.zeroentropy.dev", Some("zerank-2")),
    (
        "a: { kind: azure-cohere, base_url: 'https://d.eastus.models.ai.azure.com' }",
        "AZURE_AI_API_KEY",
        "https://d.eastus.models.ai.azure.com",
        Some("model"),
    ),
    (
        "a: { kind: bedrock-cohere, region: eu-central-1 }",
        "AWS_BEARER_TOKEN_BEDROCK",
        "https://bedrock-runtime.eu-central-1.amazonaws.com",
        Some("cohere.rerank-v3-5:0"),
    ),
    ("a: { kind: vllm, base_url: 'http://h', model: m }", "VLLM_API_KEY", "http://h", Some("m")),
    ("a: { kind: infinity, base_url: 'http://h/v1' }", "INFINITY_API_KEY", "http://h/v1", None),
    ("a: { kind: litellm, base_url: 'http://h', model: m }", "LITELLM_PROXY_API_KEY", "http://h", Some("m")),
    ("a: { kind: llama-cpp, base_url: 'http://h' }", "LLAMA_API_KEY", "http://h", None),
    ("a: { kind: localai, base_url: 'http://h', model: m }", "LOCALAI_API_KEY", "http://h", Some("m")),
    ("a: { kind: xinference, base_url: 'http://h', model: m }", "XINFERENCE_API_KEY", "http://h", Some("m")),
];

#[test]
fn the_smallest_entry_of_every_kind_is_enough() {
    for (kind, (provider, variable, base_url, model)) in HttpKind::ALL.into_iter().zip(SMALLEST) {
        let settings = good(provider, &[(variable, " k-1 \n")]);
        assert_eq!(settings.kind, kind);
        assert_eq!(secret(&settings), Some("k-1"), "{provider}");
        assert_eq!((settings.base_url.as_str(), settings.model.as_deref()), (base_url, model), "{provider}");
        assert_eq!(settings.timeout.as_secs(), 5);
    }
}

#[test]
fn only_what_one_runs_oneself_goes_without_a_key() {
    const OWN: [&str; 8] =
        ["cohere-v1", "tei", "vllm", "infinity", "litellm", "llama-cpp", "localai", "xinference"];
    for (kind, (provider, ..)) in HttpKind::ALL.into_iter().zip(SMALLEST) {
        let settings = good(&provider.replace(", api_key_env: K", ""), &[]);
        let goes = matches!(settings.api_key, ApiKey::NotNeeded);
        assert_eq!(goes, OWN.contains(&kind.as_str()), "{provider}");
    }
    // A container is not sent the key of NVIDIA's cloud unless it is named.
    let nim = "a: { kind: nvidia-nim, base_url: 'http://nim:8000', model: m";
    let env = [("NVIDIA_API_KEY", "k")];
    assert!(matches!(good(&format!("{nim} }}"), &env).api_key, ApiKey::NotNeeded));
    assert_eq!(secret(&good(&format!("{nim}, api_key_env: NVIDIA_API_KEY }}"), &env)), Some("k"));
}

#[test]
fn a_key_that_is_named_has_to_be_there() {
    let provider = "a: { kind: vllm, base_url: 'http://h', model: m, api_key_env: MY_KEY }";
    assert!(matches!(good(provider, &[]).api_key, ApiKey::Missing));
    assert!(try_load(provider, &[]).unwrap().providers[0].lacks_key());
    assert!(!try_load(provider, &[("MY_KEY", "k")]).unwrap().providers[0].lacks_key());
}

#[test]
fn a_provider_that_is_named_after_its_kind_needs_no_more() {
    let file = "listeners: [{ upstream: { url: 'http://db' } }]\nrerank: { providers: [jina, lexical] }";
    let config = load(Some((Path::new("f"), file)), &HashMap::new(), &Flags::default()).unwrap();
    assert!(matches!(&config.providers[0].kind, ProviderKind::Http(http) if http.kind == HttpKind::Jina));
    assert!(matches!(good("voyage: {}", &[]).kind, HttpKind::Voyage));
}

#[test]
fn every_setting_of_a_kind_is_read() {
    let cohere = good("a: { kind: cohere, max_tokens_per_doc: 512, priority: 3, timeout: 900ms }", &[]);
    assert_eq!((cohere.max_tokens_per_doc, cohere.priority), (Some(512), Some(3)));
    assert_eq!(cohere.timeout.as_millis(), 900);
    let localai = good(
        "a: { kind: localai, base_url: 'http://h', model: m, activation: sigmoid, scoring: listwise }",
        &[],
    );
    assert_eq!((localai.activation, localai.scoring), (Activation::Sigmoid, Some(Scoring::Listwise)));
    let llama = |more: &str| good(&format!("a: {{ kind: llama-cpp, base_url: 'http://h'{more} }}"), &[]);
    assert_eq!(llama("").activation, Activation::Sigmoid);
    assert_eq!(llama(", activation: none").activation, Activation::None);
}

#[test]
fn bedrock_and_voyage_find_their_address() {
    let bedrock =
        |more: &str, env: &[(&str, &str)]| good(&format!("a: {{ kind: bedrock-cohere{more} }}"), env);
    let env = [("AWS_DEFAULT_REGION", "us-west-2"), ("AWS_REGION", "eu-west-1")];
    assert_eq!(bedrock("", &env).base_url, "https://bedrock-runtime.eu-west-1.amazonaws.com");
    assert_eq!(bedrock("", &env[..1]).base_url, "https://bedrock-runtime.us-west-2.amazonaws.com");
    assert_eq!(bedrock(", base_url: 'https://vpce'", &env).base_url, "https://vpce");
    let voyage =
        |more: &str, key: &str| good(&format!("a: {{ kind: voyage{more} }}"), &[("VOYAGE_API_KEY", key)]);
    assert_eq!(voyage("", "al-1").base_url, "https://ai.mongodb.com");
    assert_eq!(voyage(", base_url: 'https://mine'", "al-1").base_url, "https://mine");
}

#[test]
fn what_does_not_fit_together_is_reported_with_what_to_do() {
    for (provider, expected) in [
        ("a: {}", "providers.a.kind: a provider needs its kind: cohere, cohere-v1, jina"),
        ("a: { kind: jinna }", "2:25 providers.a.kind: `jinna` is not one of"),
        ("a: { kind: [jina] }", "one value"),
        ("a: { kind: tei }", "providers.a.base_url: the kind tei needs the address of its server."),
        ("a: { kind: cohere-v1 }", "needs the address"),
        (
            "a: { kind: vllm, base_url: 'http://h' }",
            "providers.a.model: the kind vllm needs the name of a model",
        ),
        ("a: { kind: together }", "needs the name of a model"),
        (
            "a: { kind: azure-cohere, base_url: 'https://x.services.ai.azure.com' }",
            "needs the name of a model",
        ),
        ("a: { kind: nvidia-nim, base_url: 'http://nim' }", "needs the name of a model"),
        ("a: { kind: bedrock-cohere }", "Bedrock needs a region, such as us-east-1"),
        ("a: { kind: bedrock-cohere, region: 'x/y' }", "is not a region of AWS"),
        (
            "a: { kind: bedrock-cohere, region: us-east-1, base_url: 'https://x' }",
            "write either region or base_url",
        ),
        ("a: { kind: jina, priority: 1 }", "unknown key `priority`"),
        ("a: { kind: cohere, activation: sigmoid }", "unknown key `activation`"),
        ("a: { kind: tei, base_url: 'http://h', max_tokens_per_doc: 0 }", "max_tokens_per_doc"),
        ("a: { kind: tei, base_url: 'http://h', max_bytes_per_doc: 255 }", "is not from 256 B to 256KiB"),
        ("a: { kind: tei, base_url: 'http://h', max_bytes_per_doc: 1MiB }", "is not from 256 B to 256KiB"),
        ("a: { kind: llama-cpp, base_url: 'http://h', activation: sigmod }", "Did you mean `sigmoid`?"),
        (
            "a: { kind: jina, api_key_env: A, api_key_file: Cargo.toml }",
            "write either api_key_file or api_key_env",
        ),
        (
            "a: { kind: jina, base_url: 'https://api.jina.ai/v1' }",
            "the URL ends too late: `v1/rerank` is appended",
        ),
        ("a: { kind: cohere, base_url: 'https://api.cohere.com/v1/' }", "`v2/rerank` is appended"),
        ("a: { kind: tei, base_url: 'http://h/rerank' }", "`rerank` is appended"),
        (
            "a: { kind: azure-cohere, model: m, base_url: 'https://x.services.ai.azure.com/providers/cohere/v2' }",
            "`providers/cohere/v2/rerank` is appended",
        ),
        ("a: { kind: jina, base_url: 'jina' }", "http:// or https://"),
        ("a: { kind: jina, timeout: 0s }", "of no use"),
    ] {
        let problems = bad(provider);
        assert!(problems.contains(expected), "{provider} gave {problems}");
        assert_eq!(problems.lines().count(), 1, "{provider} gave {problems}");
    }
}

#[test]
fn co_api_url_is_checked_as_a_written_url_is() {
    let problems = try_load("", &[("CO_API_URL", "https://api.cohere.com/v1")]).unwrap_err().to_string();
    assert_eq!(problems, "CO_API_URL: the URL ends too late: `v2/rerank` is appended to it.");
}

#[test]
fn the_printed_configuration_of_every_kind_gives_itself_again() {
    for (provider, variable, ..) in SMALLEST {
        let config = try_load(provider, &[(variable, "s3cret")]).unwrap();
        let printed = to_yaml(&config);
        assert!(printed.contains("api_key: \"***\"") && !printed.contains("s3cret"), "{printed}");
        let again: String = printed
            .lines()
            .filter(|line| !line.contains("api_key:"))
            .map(|line| format!("{line}\n"))
            .collect();
        let read = load(Some((Path::new("f"), &again)), &HashMap::new(), &Flags::default()).unwrap();
        assert_eq!(to_yaml(&read), printed.replace("api_key: \"***\"", "api_key: null"));
    }
}

#[test]
fn every_kind_takes_a_length_of_texts_and_servers_have_one_by_themselves() {
    for (provider, variable, ..) in SMALLEST {
        let written = provider.replace(" }", ", max_bytes_per_doc: 4KiB, max_tokens_per_doc: 512 }");
        let settings = good(&written, &[(variable, "k")]);
        assert_eq!(
            (settings.max_bytes_per_doc, settings.max_tokens_per_doc),
            (Some(4096), Some(512)),
            "{written}"
        );
        let own = good(provider, &[(variable, "k")]).max_bytes_per_doc;
        let servers = ["tei", "vllm", "infinity", "litellm", "llama-cpp", "localai", "xinference", "jina"];
        let server = servers.iter().any(|kind| provider.contains(&format!("kind: {kind}")));
        assert_eq!(own, server.then_some(32 << 10), "{provider}");
    }
    let unlimited = good("a: { kind: tei, base_url: 'http://h', max_bytes_per_doc: null }", &[]);
    assert_eq!(unlimited.max_bytes_per_doc, None);
}
