use prometheus::{IntGauge, Opts, Registry};

/// A registry with what every process reports: `process_*` (on Linux) and `rerankd_build_info`.
pub fn new_registry() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let build = Opts::new("rerankd_build_info", "Always 1; the label is the version of rerankd that runs.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let build = IntGauge::with_opts(build)?;
    build.set(1);
    registry.register(Box::new(build))?;
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_and_the_process_are_reported() {
        let text =
            prometheus::TextEncoder::new().encode_to_string(&new_registry().unwrap().gather()).unwrap();
        assert!(text.contains(&format!("rerankd_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
        #[cfg(target_os = "linux")]
        assert!(text.contains("process_resident_memory_bytes"));
    }
}
