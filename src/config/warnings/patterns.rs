//! Patterns of names that never apply, since an earlier one takes all that they match.

use crate::config::{Config, TenantConfig};

/// Routes that can never apply.
pub(super) fn routes(config: &Config) -> Vec<String> {
    let earlier = |at: usize, pattern: &str| {
        let mut before = config.routes.iter().take(at).enumerate();
        before.find(|(_, other)| covers(&other.collection, pattern))
    };
    let routes = config.routes.iter().enumerate();
    routes
        .filter_map(|(at, route)| {
            let (by, other) = earlier(at, &route.collection)?;
            Some(format!(
                "routes[{at}].collection: `{}` never applies, since routes[{by}] (`{}`) comes first and takes all of \
                 it; put the narrower route first.",
                route.collection, other.collection
            ))
        })
        .collect()
}

/// The patterns of a tenant that one of its keys has.
type Patterns = fn(&TenantConfig) -> &[String];

/// Tenants whose certificates or collections are those of an earlier one.
pub(super) fn shadowed(config: &Config) -> Vec<String> {
    let matchers: [(&str, Patterns); 2] =
        [("certificates", |each| &each.certificates), ("collection", |each| &each.collections)];
    let tenants = &config.tenants.each;
    let mut warnings = Vec::new();
    for (at, tenant) in tenants.iter().enumerate() {
        for (key, patterns) in matchers {
            for pattern in patterns(tenant) {
                let takes_all =
                    |each: &&TenantConfig| patterns(each).iter().any(|other| covers(other, pattern));
                let Some(first) = tenants.iter().take(at).find(takes_all) else { continue };
                warnings.push(format!(
                    "tenants.names.{}.{key}: `{pattern}` never applies, since {} comes first and takes all of it.",
                    tenant.name, first.name
                ));
            }
        }
    }
    warnings
}

/// Whether every name that matches `narrow` matches `wide`. Never yes where it does not.
fn covers(wide: &str, narrow: &str) -> bool {
    // For each beginning of `wide`, whether it covers what has been read of `narrow`.
    let mut covered: Vec<bool> = vec![true];
    covered.extend(wide.chars().scan(true, |all, sign| {
        *all &= sign == '*';
        Some(*all)
    }));
    for sign in narrow.chars() {
        let mut next = vec![false];
        for (pattern, before) in wide.chars().zip(covered.windows(2)) {
            let (shorter, same) = (before.first() == Some(&true), before.last() == Some(&true));
            let covers = match pattern {
                '*' => same || next.last() == Some(&true),
                '?' => sign != '*' && shorter,
                literal => sign == literal && shorter,
            };
            next.push(covers);
        }
        covered = next;
    }
    covered.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wildmatch::WildMatch;

    use super::*;
    use crate::config::tests::good;

    #[test]
    fn a_route_behind_a_wider_one_is_reported() {
        for (one, other, never) in [
            ("legal-*", "legal-eu", true),
            ("*", "a", true),
            ("a", "a", true),
            ("a*", "a*b", true),
            ("*", "*", true),
            ("?", "a", true),
            ("a*c", "a?c", true),
            ("legal-eu", "legal-*", false),
            ("?", "*", false),
            ("a*", "b*", false),
            ("a?", "a", false),
            ("*a", "a*", false),
        ] {
            let config =
                good(&format!("routes: [{{ collection: '{one}' }}, {{ collection: '{other}' }}]"), &[]);
            let said = config.warnings();
            assert_eq!(said.len(), usize::from(never), "{one} before {other}: {said:?}");
            assert!(!never || said[0].starts_with("routes[1].collection: "), "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_that_covers_another_matches_whatever_that_matches(
            wide in "[ab*?]{0,5}", narrow in "[ab*?]{0,5}", name in "[ab]{0,6}",
        ) {
            if covers(&wide, &narrow) && WildMatch::new(&narrow).matches(&name) {
                prop_assert!(WildMatch::new(&wide).matches(&name));
            }
        }
    }

    #[test]
    fn a_tenant_behind_one_that_takes_all_of_its_is_reported_for_each_matcher() {
        let said = crate::config::tests::good(
            "tenants: { header: x-tenant, networks: [::1], names: { a: { collection: ['x-*'] }, b: { collection: [x-1, y] } } }",
            &[],
        );
        assert_eq!(said.warnings().len(), 1, "{:?}", said.warnings());
        let mut config = said;
        for (at, names) in [(0, ["CN=*.acme", "DNS:a"]), (1, ["CN=web.acme", "DNS:b"])] {
            config.tenants.each[at].certificates = names.map(str::to_owned).to_vec();
        }
        let warned = config.warnings();
        assert_eq!(warned.len(), 2, "{warned:?}");
        let sentence = "tenants.names.b.certificates: `CN=web.acme` never applies, since a comes first";
        assert!(warned[0].starts_with(sentence), "{warned:?}");
    }
}
