//! Label selectors, as the API server understands them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Whether labels match. An empty selector matches all; an unknown operator matches nothing.
pub(super) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten();
    let rules = selector.match_expressions.iter().flatten();
    equal
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && rules.into_iter().all(|rule| {
            let value = labels.get(&rule.key);
            let listed = || {
                let mut values = rule.values.iter().flatten();
                value.is_some_and(|value| values.any(|other| other == value))
            };
            match rule.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn matches(selector: Value, labels: Value) -> bool {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        super::matches(&selector, &serde_json::from_value(labels).unwrap())
    }

    fn rule(operator: &str, values: Value) -> Value {
        json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]})
    }

    #[test]
    fn selectors_match_as_the_api_server_says() {
        assert!(matches(json!({}), json!({})));
        let both = json!({"matchLabels": {"a": "1", "b": "2"}});
        assert!(matches(both.clone(), json!({"a": "1", "b": "2", "c": "3"})));
        assert!(!matches(both, json!({"a": "1"})));
        for (operator, values, of_x, of_none) in [
            ("In", json!(["x", "y"]), true, false),
            ("In", json!(["y"]), false, false),
            ("NotIn", json!(["x"]), false, true),
            ("NotIn", json!(["y"]), true, true),
            ("Exists", json!([]), true, false),
            ("DoesNotExist", json!([]), false, true),
            ("Gt", json!(["x"]), false, false),
        ] {
            assert_eq!(
                matches(rule(operator, values.clone()), json!({"team": "x"})),
                of_x,
                "{operator}"
            );
            assert_eq!(matches(rule(operator, values), json!({})), of_none, "{operator}");
        }
    }

    #[test]
    fn all_requirements_must_hold() {
        let mut selector = rule("Exists", json!(null));
        selector["matchLabels"] = json!({"a": "1"});
        assert!(matches(selector.clone(), json!({"a": "1", "team": "x"})));
        assert!(!matches(selector.clone(), json!({"a": "1"})));
        assert!(!matches(selector, json!({"team": "x"})));
    }
}
