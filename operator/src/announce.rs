//! Events: what people should hear of. The client library's recorder takes Events for one if reason and
//! action are the same, and shows the first text for ever; here each text has a recorder of its own, so only
//! what says the same is counted (`x2`). An object that changes its text again and again gets no more than
//! [`BURST`] within [`MEMORY`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};
use oidc_crds::resources::Reason;

use crate::context::now;
use crate::execute::answer;
use crate::lease::Leadership;
use crate::plan::Note;

/// How long an Event is counted up instead of written anew; as long as the library remembers it.
const MEMORY: SignedDuration = SignedDuration::from_mins(6);
/// The most different Events about one object within [`MEMORY`]; client-go allows as many.
const BURST: usize = 25;

/// Writes Events while this process leads.
pub(crate) struct Announcer {
    client: Client,
    reporter: Reporter,
    leadership: Leadership,
    memory: Mutex<Memory<Recorder>>,
}

impl Announcer {
    pub(crate) fn new(client: Client, reporter: Reporter, leadership: Leadership) -> Self {
        Self {
            client,
            reporter,
            leadership,
            memory: Mutex::default(),
        }
    }

    /// Publishes Events. They are for people: one that cannot be written is only logged.
    pub(crate) async fn announce(&self, about: &ObjectReference, notes: &[Note]) {
        for note in notes {
            if self.leadership.check().is_err() {
                return;
            }
            let text = shorten(&note.message);
            let Some(recorder) = self.recorder(about, note, &text) else {
                let object = about.name.as_deref();
                tracing::debug!(object, reason = note.reason.as_str(), "too many Events");
                continue;
            };
            let event = Event {
                type_: if note.warning {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: note.reason.as_str().to_owned(),
                note: Some(text),
                action: action(note.reason).to_owned(),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, about).await {
                let error = answer(&error);
                tracing::warn!(reason = note.reason.as_str(), error, "an Event was not written");
            }
        }
    }

    fn recorder(&self, about: &ObjectReference, note: &Note, text: &str) -> Option<Recorder> {
        let object = about.uid.clone().unwrap_or_default();
        let what = What {
            reason: note.reason,
            warning: note.warning,
            text: text.to_owned(),
        };
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remember(object, what, now(), || {
                Recorder::new(self.client.clone(), self.reporter.clone())
            })
    }
}

/// What makes two Events about an object the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct What {
    reason: Reason,
    warning: bool,
    text: String,
}

/// What was told lately: by object, by what, with the time of the last.
struct Memory<R>(HashMap<String, HashMap<What, (R, Timestamp)>>);

impl<R> Default for Memory<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Clone> Memory<R> {
    /// Who tells this: whoever told it before, or a new one; nobody if there is too much about the object.
    fn remember(&mut self, object: String, what: What, now: Timestamp, new: impl FnOnce() -> R) -> Option<R> {
        self.0.retain(|_, told| {
            told.retain(|_, (_, last)| *last + MEMORY > now);
            !told.is_empty()
        });
        let told = self.0.entry(object).or_default();
        if let Some((recorder, last)) = told.get_mut(&what) {
            *last = now;
            return Some(recorder.clone());
        }
        if told.len() >= BURST {
            return None;
        }
        let recorder = new();
        told.insert(what, (recorder.clone(), now));
        Some(recorder)
    }
}

/// Events have at most 1 kB of text.
fn shorten(text: &str) -> String {
    if text.len() <= 1000 {
        return text.to_owned();
    }
    let end = (0..=996).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// What was being done when an Event's reason came up.
fn action(reason: Reason) -> &'static str {
    match reason {
        Reason::Accepted
        | Reason::Invalid
        | Reason::Unparsable
        | Reason::NamespaceNotServed
        | Reason::OtherClass
        | Reason::ClientIdTaken
        | Reason::NameTaken
        | Reason::AmbiguousClass
        | Reason::NotGranted
        | Reason::NoRoute
        | Reason::RoutesUnknown => "Validate",
        Reason::KeyMinted
        | Reason::KeyPublished
        | Reason::KeyActive
        | Reason::KeyRetiring
        | Reason::KeyRemoved
        | Reason::KeySetLost
        | Reason::AlgorithmInUse
        | Reason::WaitingForPods
        | Reason::WaitingForCaches => "Rotate",
        _ => "Reconcile",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn what(text: &str) -> What {
        What {
            reason: Reason::KeyMinted,
            warning: false,
            text: text.to_owned(),
        }
    }

    #[test]
    fn events_stay_below_a_kilobyte() {
        let long = "ü".repeat(2000);
        let short = shorten(&long);
        assert!(short.len() <= 1000 && short.ends_with('…'));
        assert_eq!(shorten("short"), "short");
    }

    #[test]
    fn each_text_is_told_by_another_and_the_same_text_by_the_same() {
        let mut memory = Memory::default();
        let mut tell = |object: &str, text: &str, second: i64, id: u8| {
            memory.remember(object.to_owned(), what(text), at(second), || id)
        };
        assert_eq!(tell("u1", "the first key", 0, 1), Some(1));
        assert_eq!(tell("u1", "another key", 1, 2), Some(2));
        assert_eq!(tell("u1", "the first key", 300, 3), Some(1), "counted up");
        assert_eq!(tell("u2", "the first key", 300, 4), Some(4));
        assert_eq!(
            tell("u1", "another key", 400, 5),
            Some(5),
            "the other is forgotten"
        );
        assert_eq!(tell("u1", "the first key", 659, 6), Some(1));
    }

    #[test]
    fn an_object_cannot_make_a_storm() {
        let mut memory = Memory::default();
        let mut tell = |object: &str, text: String, second: i64| {
            memory
                .remember(object.to_owned(), what(&text), at(second), || ())
                .is_some()
        };
        let told = (0..1000).filter(|n| tell("u1", n.to_string(), 0)).count();
        assert_eq!(told, BURST);
        assert!(tell("u1", "3".to_owned(), 1), "what is known is counted up");
        assert!(tell("u2", "x".to_owned(), 1), "others are heard");
        assert!(tell("u1", "later".to_owned(), 360));
    }
}
