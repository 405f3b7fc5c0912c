//! Maxima of lists and strings: one place for the schema (and so for CEL's cost budget) and the validator.
//! Strings are counted in characters.

/// Items in a list of addresses, scopes, audiences or origins.
pub const LIST: usize = 64;
/// Hosts that the addresses of two lists lead to.
pub const ROUTED_HOSTS: usize = 2 * LIST;
/// Items in a list of groups.
pub const GROUPS: usize = 256;
/// Conditions of an object.
pub const CONDITIONS: usize = 16;
/// Digests of a client.
pub const CREDENTIALS: usize = 32;
/// Names that a client's Secret may be found under while it moves.
pub const SECRET_NAMES: usize = 8;
/// Keys of a SigningKey's status.
pub const KEYS: usize = 256;
/// Namespaces that an installation lists.
pub const NAMESPACES: usize = 1024;
/// A redirect URI.
pub const REDIRECT_URI: usize = 2048;
/// Any other address, and an audience.
pub const URI: usize = 1024;
/// An origin.
pub const ORIGIN: usize = 300;
/// A name that people see.
pub const DISPLAY_NAME: usize = 128;
/// A custom client id.
pub const CLIENT_ID: usize = 128;
/// A computed client id: a namespace, a dot, an object's name.
pub const ANY_CLIENT_ID: usize = 317;
/// A scope.
pub const SCOPE: usize = 128;
/// A group.
pub const GROUP: usize = 256;
/// A subject (OpenID Connect Core §2 allows 255 ASCII characters).
pub const SUBJECT: usize = 255;
/// A username.
pub const USERNAME: usize = 256;
/// A claim that is a short text.
pub const CLAIM: usize = 256;
/// An e-mail address (RFC 5321 §4.5.3.1.3).
pub const EMAIL: usize = 254;
/// A phone number with its extension.
pub const PHONE: usize = 64;
/// A member of a postal address.
pub const ADDRESS: usize = 512;
/// Custom claims of a client.
pub const CLAIMS: usize = 32;
/// The name of a custom claim, and the path of a mapped one.
pub const CLAIM_NAME: usize = 128;
/// All custom claims of a client or of a user together, as compact JSON, in bytes.
pub const CLAIMS_SIZE: usize = 4096;
/// A DNS label: a class, a namespace.
pub const LABEL: usize = 63;
/// Labels of a Secret, annotations of a Secret: of each so many.
pub const MARKS: usize = 16;
/// The value of a label.
pub const LABEL_VALUE: usize = 63;
/// The value of an annotation.
pub const ANNOTATION_VALUE: usize = 1024;
/// Keys of a Secret that are renamed.
pub const SECRET_KEYS: usize = 32;
/// Templates of a Secret.
pub const TEMPLATES: usize = 16;
/// One template.
pub const TEMPLATE: usize = 8192;
/// Registration access tokens of a client that registered itself.
pub const REGISTRATION_ACCESS: usize = 4;
/// The name of an object, or a key of a Secret.
pub const NAME: usize = 253;
/// A UID or resourceVersion, and both with a slash between.
pub const VERSION: usize = 256;
/// Workloads that a client restarts.
pub const WORKLOADS: usize = 16;
/// A word that asks for a rotation.
pub const ROTATE_NOW: usize = 64;
/// A kid: a SHA-256 thumbprint in base64url has 43.
pub const KID: usize = 64;
/// A digest, a seal.
pub const DIGEST: usize = 1024;
/// Public keys of a client.
pub const CLIENT_KEYS: usize = 16;
/// The kid of a client's key.
pub const CLIENT_KID: usize = 256;
/// A number of a JWK in base64url: an RSA modulus of 8192 bits has 1366.
pub const KEY_MEMBER: usize = 1400;
/// The subject of a certificate as text.
pub const DISTINGUISHED_NAME: usize = 1024;
/// An IP address as text: an IPv6 one with an IPv4 one in it has 45.
pub const IP_ADDRESS: usize = 45;
/// A SHA-256 thumbprint: in hexadecimal digits with colons.
pub const THUMBPRINT: usize = 95;
