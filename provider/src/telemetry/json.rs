//! Log lines as JSON, written straight into the line: `timestamp`, `level`, the event's members, `target`,
//! and `span` with the members of the innermost span and its `name`.

use std::cell::RefCell;
use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The shape of a line.
#[derive(Debug, Clone, Copy)]
pub struct JsonLine;

/// The members of a span, without braces.
#[derive(Debug, Clone, Copy)]
pub struct Members;

impl<'a> FormatFields<'a> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut members = Object::continued(writer, true);
        fields.record(&mut members);
        members.result
    }
}

impl<S> FormatEvent<S, Members> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        timestamp(&mut writer)?;
        write_all(&mut writer, ["\",\"level\":\"", metadata.level().as_str(), "\""])?;
        let mut members = Object::continued(writer.by_ref(), false);
        event.record(&mut members);
        members.result?;
        write_all(&mut writer, [",\"target\":\"", metadata.target(), "\""])?;
        if let Some(span) = context.lookup_current() {
            writer.write_str(",\"span\":{")?;
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<Members>>()
                && !fields.is_empty()
            {
                write_all(&mut writer, [fields.fields.as_str(), ","])?;
            }
            write_all(&mut writer, ["\"name\":\"", span.name(), "\"}"])?;
        }
        writer.write_str("}\n")
    }
}

fn write_all<const N: usize>(writer: &mut Writer<'_>, parts: [&str; N]) -> fmt::Result {
    parts.iter().try_for_each(|part| writer.write_str(part))
}

/// Members of an object.
struct Object<'a> {
    writer: Writer<'a>,
    first: bool,
    result: fmt::Result,
}

impl<'a> Object<'a> {
    /// `first`: no member stands before.
    fn continued(writer: Writer<'a>, first: bool) -> Self {
        Self {
            writer,
            first,
            result: Ok(()),
        }
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'a>) -> fmt::Result) {
        if self.result.is_ok() {
            let comma = if self.first { "\"" } else { ",\"" };
            self.first = false;
            // names like `r#type` are written without the prefix
            let name = field.name();
            let name = name.strip_prefix("r#").unwrap_or(name);
            self.result =
                write_all(&mut self.writer, [comma, name, "\":"]).and_then(|()| value(&mut self.writer));
        }
    }

    fn text(&mut self, field: &Field, text: impl fmt::Display) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write!(Escaped(writer), "{text}")?;
            writer.write_char('"')
        });
    }
}

impl Visit for Object<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            Escaped(writer).write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| {
            writer.write_str(if value { "true" } else { "false" })
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |writer| {
            if value.is_finite() {
                write!(writer, "{value}")
            } else {
                writer.write_str("null")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Escapes what is written (RFC 8259 §7).
struct Escaped<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
            self.0.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'\n' => self.0.write_str("\\n")?,
                special @ (b'"' | b'\\') => {
                    self.0.write_char('\\')?;
                    self.0.write_char(char::from(special))?;
                }
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

thread_local! {
    /// The last second that was told, and its text: most lines share theirs with the one before.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// RFC 3339 with microseconds, in UTC.
#[expect(clippy::disallowed_methods, reason = "when a line was logged decides nothing")]
fn timestamp(writer: &mut Writer<'_>) -> fmt::Result {
    let now = Timestamp::now();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = now.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
        }
        writer.write_str(text)
    })?;
    // the zero of the epoch is long ago: never negative
    let micros = now.subsec_microsecond().unsigned_abs();
    let digits: [u8; 6] = std::array::from_fn(|i| b'0' + (micros / 10_u32.pow(5 - i as u32) % 10) as u8);
    writer.write_str(std::str::from_utf8(&digits).unwrap_or("000000"))?;
    writer.write_char('Z')
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Lines that were logged.
    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let out = Out::default();
        let writer = out.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(Members)
            .event_format(JsonLine)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = out.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn members_of_event_and_span() {
        let lines = logged(|| {
            let span = tracing::info_span!("request", request_id = "abc", n = 1);
            let _entered = span.enter();
            tracing::warn!(
                status = 200_u16,
                ms = 1.25,
                over = f64::INFINITY,
                yes = true,
                absent = None::<&str>,
                present = Some("x"),
                shown = %"a\"b",
                debugged = ?Some(1),
                "request"
            );
        });
        let line = &lines[0];
        let expected = serde_json::json!({
            "timestamp": line["timestamp"], "level": "WARN", "message": "request", "status": 200, "ms": 1.25,
            "over": null, "yes": true, "present": "x", "shown": "a\"b", "debugged": "Some(1)",
            "target": line["target"], "span": {"request_id": "abc", "n": 1, "name": "request"},
        });
        assert_eq!(*line, expected);
        let time: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(time > Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn any_text_is_one_line_of_json() {
        let nasty: String = (0..0x80_u8)
            .map(char::from)
            .chain("ü\u{2028}😀".chars())
            .collect();
        let lines = logged(|| {
            tracing::info!(text = nasty.as_str(), shown = %nasty, "{nasty}");
            tracing::info!("no span");
        });
        assert_eq!(lines.len(), 2);
        for name in ["text", "shown", "message"] {
            assert_eq!(lines[0][name], nasty.as_str(), "{name}");
        }
        assert!(lines[1].get("span").is_none());
    }
}
