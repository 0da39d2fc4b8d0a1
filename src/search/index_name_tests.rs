use proptest::prelude::*;

use super::*;

fn meant(name: &str, pattern: &str) -> bool {
    IndexNames::of(name).are_meant_by(pattern)
}

#[test]
fn an_index_is_meant_by_the_name_of_what_it_belongs_to() {
    for (name, pattern) in [
        ("hr-payroll", "hr-*"),
        ("eu:hr-payroll", "hr-*"),
        ("eu:hr-payroll", "eu:*"),
        (".ds-hr-payroll-2026.01.31-000001", "hr-payroll"),
        (".ds-hr-payroll-2026.01.31-1000000", "hr-*"),
        (".ds-hr-payroll-000001", "hr-payroll"),
        (".fs-hr-payroll-2026.01.31-000002", "hr-payroll"),
        ("eu:.ds-hr-payroll-2026.01.31-000001", "hr-payroll"),
        ("eu:.ds-hr-payroll-2026.01.31-000001", "eu:hr-payroll"),
        ("partial-hr-payroll", "hr-*"),
        ("restored-.ds-hr-payroll-2026.01.31-000001", "hr-payroll"),
        ("partial-restored-hr-payroll", "hr-*"),
        ("shrink-ab1d-hr-payroll", "hr-*"),
        ("downsample-1h-.ds-hr-payroll-2026.01.31-000001", "hr-payroll"),
        ("downsample-5m-hr-payroll", "hr-*"),
        ("reindexed-v8-hr-payroll", "hr-*"),
        (".reindexed-v8-kibana", ".kib*"),
        (".migrated-ds-hr-payroll-2026.01.31-000001", "hr-payroll"),
        ("hr-payroll::failures", "hr-payroll"),
        (".ds-hr-payroll-2026.01.31-000001", ".ds-hr-*"),
        (".kibana_1", ".*"),
        ("eu:.kibana_1", ".*"),
    ] {
        assert!(meant(name, pattern), "{name} by {pattern}");
    }
}

#[test]
fn what_is_said_of_hidden_indices_does_not_mean_data_streams() {
    let backing = ".ds-logs-2026.01.31-000001";
    assert!(!meant(backing, ".*") && meant(backing, "*") && meant(backing, "logs"));
    assert!(!meant("eu:.ds-logs-2026.01.31-000001", ".*"));
    assert!(meant("partial-.kibana_1", ".*"));
    assert!(meant(".ds-no-generation", ".*"), "it is no backing index");
    assert!(!meant("shrink-é-x", "x") && !meant("hr", "hr-*"));
}

fn spelled(expression: &[&str], name: &str) -> bool {
    targets(expression).iter().any(|target| target.spells(&IndexNames::of(name)))
}

#[test]
fn expressions_are_read_as_the_database_reads_them() {
    for part in ["_all", "*", "", "h*", "hr-payroll", "<hr-{now/d}>", "hr-payroll::data", "*:hr-*"] {
        let name = if part.contains(":hr-*") { "eu:hr-payroll" } else { "hr-payroll" };
        assert!(spelled(&[part], name), "{part}");
    }
    assert!(spelled(&["<eu-{now/d{yyyy.MM|+12:00}}-x>"], "eu-2026.01-x"));
    assert!(spelled(&["eu:<hr-{now/d{HH:mm}}>"], "eu:hr-1"));
    assert!(spelled(&["<a\\{b-{now/d}>"], "a{b-1"));
    assert!(spelled(&["-hr-*"], "wiki"), "exclusions alone are taken for everything else");
    assert!(spelled(&["hr-payroll"], ".ds-hr-payroll-2026.01.31-000001"));
    assert!(!spelled(&["staff"], "hr-payroll") && !spelled(&["wiki*", "-hr*"], "hr-payroll"));
    assert!(spelled(&vec!["a"; MOST_PARTS + 1], "hr-payroll"));
}

#[test]
fn an_expression_may_reach_or_surely_reaches() {
    let may = |part, pattern| targets(&[part])[0].may_be_meant_by(pattern);
    let all = |part, pattern| targets(&[part])[0].is_all_meant_by(pattern);
    assert!(may("h*", "hr-*") && may("*", "hr-*") && may("*roll", "hr-*") && may("*:h*", "hr-*"));
    assert!(may(".ds-hr-*", "hr-*") && may("partial-*", "hr-*") && may("<hr-{now/d}>", "hr-2026*"));
    assert!(!may("wiki-*", "hr-*") && !may("h*-xy", "hr-?") && may("h*-?", "hr-?"));
    assert!(all("hr-p*", "hr-*") && all("eu:hr-*", "hr-*") && all(".kibana*", ".*") && all("eu:x", "eu:*"));
    assert!(!all("h*", "hr-*") && !all("hr-*", "hr-?") && !all(".ds-*", ".*") && all(".ds-hr-*", "hr-*"));
    assert!(targets(&["*", "-hr-*"])[1].takes_out("hr-p*") && !targets(&["*", "-hr-x"])[1].takes_out("hr-*"));
}

/// Few letters, so that patterns meet.
fn pattern() -> impl Strategy<Value = String> {
    prop::string::string_regex("[ab*?]{0,6}").unwrap()
}

proptest! {
    #[test]
    fn patterns_that_match_a_common_name_meet(one in pattern(), other in pattern(), name in "[ab]{0,6}") {
        let both = WildMatch::new(&one).matches(&name) && WildMatch::new(&other).matches(&name);
        prop_assert!(!both || meet(&one, &other), "{one} {other} {name}");
        prop_assert_eq!(meet(&one, &other), meet(&other, &one));
        prop_assert_eq!(meet(&name, &one), WildMatch::new(&one).matches(&name));
    }

    #[test]
    fn what_is_covered_matches_nothing_else(outer in pattern(), inner in pattern(), name in "[ab]{0,6}") {
        if covers(&outer, &inner) && WildMatch::new(&inner).matches(&name) {
            prop_assert!(WildMatch::new(&outer).matches(&name), "{outer} {inner} {name}");
        }
    }

    #[test]
    fn every_index_is_meant_by_its_own_name(name in "[a-z.:<>{}*-]{0,40}") {
        let names = IndexNames::of(&name);
        prop_assert!(!names.0.is_empty());
        let _ = targets(&[name.as_str()]);
    }
}
