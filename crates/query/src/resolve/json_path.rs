//! Reaching into JSON text: `properties.a.b[1].c`.

use super::scope::Scope;
use super::types::{Note, Type, Value};
use crate::error::QueryError;
use crate::hogql::ast::Segment;
use crate::json::raw_value;
use arrow::array::{Array, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde_json::value::RawValue;
use std::sync::{Arc, LazyLock};

static JSON_PATH: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(JsonPath::new())));

impl Scope<'_> {
    /// The text at a path inside JSON text: strings without quotes, `null` and absent as NULL, everything else as JSON.
    pub(crate) fn json_path(&mut self, value: Value, path: &[Segment]) -> Result<Value, QueryError> {
        let mut args = vec![Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(value.expr), DataType::Utf8))];
        for segment in path {
            args.push(Expr::Literal(
                match segment {
                    Segment::Name(name) => ScalarValue::Utf8(Some(name.clone())),
                    Segment::Index(0) => {
                        return Err(QueryError::resolve("SQL indexes start from one, not from zero. E.g: array[1]"));
                    }
                    Segment::Index(index) => ScalarValue::Int64(Some(*index)),
                },
                None,
            ));
        }
        let expr = Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(Arc::clone(&JSON_PATH), args));
        Ok(Value::new(expr, Type::new(DataType::Utf8, true).with_note(Note::Json)))
    }
}

/// One step into a JSON value.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    /// From 1; negative: from the end.
    Index(i64),
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonPath {
    signature: Signature,
}

impl JsonPath {
    fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonPath {
    fn name(&self) -> &'static str {
        "json_path"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let steps: Vec<Step> = args
            .args
            .iter()
            .skip(1)
            .map(|arg| match arg {
                ColumnarValue::Scalar(ScalarValue::Int64(Some(index))) => Step::Index(*index),
                ColumnarValue::Scalar(ScalarValue::Utf8(Some(key))) => Step::Key(key.clone()),
                other => Step::Key(format!("{other:?}")),
            })
            .collect();
        let texts = args.args[0].to_array(args.number_rows)?;
        let texts = cast(&texts, &DataType::Utf8)?;
        let mut out = StringBuilder::with_capacity(texts.len(), texts.len() * 8);
        for text in texts.as_string::<i32>() {
            out.append_option(text.and_then(|text| follow(text, &steps)).and_then(shown));
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

fn follow<'t>(text: &'t str, steps: &[Step]) -> Option<&'t str> {
    let mut raw = text;
    for step in steps {
        raw = match step {
            Step::Key(key) => raw_value(raw, key)?,
            Step::Index(index) => {
                let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
                let at =
                    if *index > 0 { usize::try_from(index - 1).ok()? } else { items.len().checked_sub(usize::try_from(-index).ok()?)? };
                items.get(at)?.get()
            }
        };
    }
    Some(raw)
}

/// JSON as HogQL shows it: a string without its quotes, `null` as nothing.
fn shown(raw: &str) -> Option<String> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'n') | None => None,
        Some(_) => Some(raw.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_keys_and_indexes() {
        let text = r#"[{"id":[{"id":"x"}]},[["y"]],null,1.50]"#;
        let key = |key: &str| Step::Key(key.to_owned());
        let get = |steps: &[Step]| follow(text, steps).and_then(shown);
        assert_eq!(get(&[Step::Index(1), key("id"), Step::Index(1), key("id")]).as_deref(), Some("x"));
        assert_eq!(get(&[Step::Index(2), Step::Index(1), Step::Index(1)]).as_deref(), Some("y"));
        assert_eq!(get(&[Step::Index(3)]), None);
        assert_eq!(get(&[Step::Index(-1)]).as_deref(), Some("1.50"));
        assert_eq!(get(&[Step::Index(5)]), None);
        assert_eq!(get(&[key("a")]), None);
    }
}
