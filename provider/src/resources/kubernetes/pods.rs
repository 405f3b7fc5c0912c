//! How many pods share a limit: the ready endpoints of the provider's own Service.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::resources::directory::{Delta, Key, key};

/// The pods of one EndpointSlice that are ready.
pub(super) struct Slice {
    key: Key,
    ready: BTreeSet<String>,
}

impl Slice {
    /// Reads one.
    pub(super) fn of(slice: EndpointSlice) -> Self {
        // "nil should be interpreted as true" (EndpointConditions of the API)
        let is_ready = |endpoint: &&Endpoint| {
            let conditions = endpoint.conditions.as_ref();
            conditions.and_then(|conditions| conditions.ready) != Some(false)
        };
        // a pod has an endpoint in a slice for each family of addresses
        let name = |endpoint: &Endpoint| {
            let target = endpoint.target_ref.as_ref();
            let name = target.and_then(|target| target.uid.clone().or_else(|| target.name.clone()));
            name.or_else(|| endpoint.addresses.first().cloned())
        };
        Self {
            key: key(&slice.metadata),
            ready: slice.endpoints.iter().filter(is_ready).filter_map(name).collect(),
        }
    }
}

/// All slices of the Service.
#[derive(Default)]
pub(super) struct Slices(BTreeMap<Key, BTreeSet<String>>);

impl Slices {
    /// Takes what a watch tells; how many pods are ready then.
    pub(super) fn take(&mut self, delta: Delta<Slice>) -> u32 {
        match delta {
            Delta::Apply(slice) => drop(self.0.insert(slice.key, slice.ready)),
            Delta::Delete(key) => drop(self.0.remove(&key)),
            Delta::Reset(slices) => {
                self.0 = slices.into_iter().map(|slice| (slice.key, slice.ready)).collect();
            }
        }
        let ready: BTreeSet<_> = self.0.values().flatten().collect();
        u32::try_from(ready.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slice(name: &str, endpoints: &[(&str, Value)]) -> Slice {
        let endpoints = endpoints.iter().map(|(pod, ready)| {
            json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "targetRef": {"uid": pod}})
        });
        let object = json!({
            "addressType": "IPv4", "metadata": {"namespace": "idp", "name": name},
            "endpoints": endpoints.collect::<Vec<_>>(),
        });
        Slice::of(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn i5_ready_pods_are_counted_once_each() {
        let (yes, no) = (json!(true), json!(false));
        let mut slices = Slices::default();
        let four = [
            ("a", yes.clone()),
            ("b", yes.clone()),
            ("c", no.clone()),
            ("d", Value::Null),
        ];
        assert_eq!(slices.take(Delta::Reset(vec![slice("v4", &four)])), 3);
        let six = [("a", yes.clone()), ("e", yes.clone())];
        assert_eq!(slices.take(Delta::Apply(slice("v6", &six))), 4);
        assert_eq!(
            slices.take(Delta::Apply(slice("v4", &[("a", no), ("b", yes)]))),
            3
        );
        assert_eq!(slices.take(Delta::Delete(("idp".to_owned(), "v4".to_owned()))), 2);
        assert_eq!(slices.take(Delta::Reset(Vec::new())), 0);
    }

    #[test]
    fn an_endpoint_without_a_pod_counts_by_its_address() {
        let object = json!({"addressType": "IPv4", "metadata": {"name": "x"},
            "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}, {"addresses": []}]});
        let slice = Slice::of(serde_json::from_value(object).unwrap());
        assert_eq!(Slices::default().take(Delta::Reset(vec![slice])), 2);
    }
}
