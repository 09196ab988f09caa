//! A property's value as it is kept: exactly what was sent, in the narrowest type that gives it back unchanged.

/// One property value, borrowed from the event it came in.
///
/// # Invariants
/// - Writing the value as JSON again gives the value that was sent (after JSON normalisation): integers stay integers, `1.0` stays a float, text keeps every character.
/// - What fits none of the scalar forms (arrays, objects, `null`, integers outside `i64`, floats that `f64` cannot hold) is [`PropertyValue::Json`] with its own text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PropertyValue<'a> {
    /// Text, unescaped.
    Str(&'a str),
    /// A whole number within `i64`.
    Int(i64),
    /// Any other number that `f64` holds; finite.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// JSON text, valid: arrays, objects, `null`, and numbers that no other form holds.
    Json(&'a str),
}
