//! What operations are put together from.

use serde_json::{Map, Value, json};

/// A parameter of a query, or a field of a form.
pub(super) struct Field {
    name: &'static str,
    about: &'static str,
    schema: Value,
    required: bool,
}

/// One that may be left out.
pub(super) fn field(name: &'static str, about: &'static str, schema: Value) -> Field {
    Field {
        name,
        about,
        schema,
        required: false,
    }
}

impl Field {
    /// One that must be there, and not be empty: a parameter without a value counts as absent.
    pub(super) fn required(mut self) -> Self {
        if self.schema["type"] == "string" && self.schema.get("enum").is_none() {
            self.schema["minLength"] = 1.into();
        }
        Self {
            required: true,
            ..self
        }
    }
}

/// A text, at most this long.
pub(super) fn text(most: usize) -> Value {
    json!({"type": "string", "maxLength": most})
}

/// One of these texts.
pub(super) fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    let values: Vec<&str> = values.into_iter().collect();
    json!({"type": "string", "enum": values})
}

/// The schema of that name among the components.
pub(super) fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Parameters of a query.
pub(super) fn query(fields: Vec<Field>) -> Vec<Value> {
    let parameter = |field: Field| {
        json!({
            "name": field.name,
            "in": "query",
            "description": field.about,
            "required": field.required,
            "schema": field.schema,
        })
    };
    fields.into_iter().map(parameter).collect()
}

/// A header of a request.
pub(super) fn header(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "header", "description": about, "schema": schema})
}

/// The schema of a form's fields.
pub(super) fn form_schema(fields: Vec<Field>) -> Value {
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|field| {
            let mut schema = field.schema;
            schema["description"] = field.about.into();
            (field.name.to_owned(), schema)
        })
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// A body of a media type that must be there, with its examples by name.
pub(super) fn body(media_type: &str, schema: Value, examples: &[(&str, Value)]) -> Value {
    json!({"required": true, "content": {media_type: content(schema, examples)}})
}

/// The media type of forms.
pub(super) const FORM: &str = crate::http::extract::FORM;

/// A schema with its examples by name.
pub(super) fn content(schema: Value, examples: &[(&str, Value)]) -> Value {
    let mut content = json!({"schema": schema});
    if !examples.is_empty() {
        content["examples"] = examples
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!({"value": value})))
            .collect::<Map<_, _>>()
            .into();
    }
    content
}

/// An operation in the making.
pub(super) struct Operation(Value);

impl Operation {
    /// With its id, the tag that it stands below, and what it is in a few words.
    pub(super) fn new(id: &str, tag: &str, summary: &str) -> Self {
        Self(json!({"operationId": id, "tags": [tag], "summary": summary, "responses": {}}))
    }

    /// What is to be said beyond the summary.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.0["description"] = text.into();
        self
    }

    /// Its parameters.
    pub(super) fn parameters(mut self, parameters: Vec<Value>) -> Self {
        self.0["parameters"] = parameters.into();
        self
    }

    /// Its body.
    pub(super) fn body(mut self, body: Value) -> Self {
        self.0["requestBody"] = body;
        self
    }

    /// Names of security schemes, of which one must be met; `""` is none at all.
    pub(super) fn security(mut self, schemes: &[&str]) -> Self {
        let requirement = |name: &&str| match *name {
            "" => json!({}),
            "openIdConnect" => json!({"openIdConnect": ["openid"]}),
            "session" => json!({"session": [], "browser": []}),
            name => json!({name: []}),
        };
        self.0["security"] = schemes.iter().map(requirement).collect::<Vec<_>>().into();
        self
    }

    /// An answer of its own.
    pub(super) fn answer(mut self, status: u16, response: Value) -> Self {
        self.0["responses"][status.to_string()] = response;
        self
    }

    /// Answers that many operations share.
    pub(super) fn shared(mut self, prefix: &str, statuses: &[u16]) -> Self {
        for status in statuses {
            let name = format!("#/components/responses/{prefix}{status}");
            self.0["responses"][status.to_string()] = json!({"$ref": name});
        }
        self
    }

    /// Adds it to a path.
    pub(super) fn add(self, paths: &mut Map<String, Value>, path: &str, method: &str) {
        paths
            .entry(path)
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .map(|item| item.insert(method.to_owned(), self.0));
    }
}
