//! Membership as a function of an id.
//!
//! Rows of a part are sorted by person, so an id mostly is the one before it or the next one: the look-up steps ahead in the sorted members
//! and never touches most of them twice.

use super::Members;
use super::persons::Finder;
use aqueduct_event::PersonId;
use arrow::array::{Array, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use uuid::Uuid;

/// Whether a person is in the cohort; never NULL.
pub(crate) fn contains(members: Arc<Members>, person: Expr) -> Expr {
    let signature = Signature::exact(vec![DataType::FixedSizeBinary(16)], Volatility::Immutable);
    ScalarUDF::from(InCohort { members, signature }).call(vec![person])
}

#[derive(Debug)]
struct InCohort {
    members: Arc<Members>,
    signature: Signature,
}

impl PartialEq for InCohort {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.members, &other.members)
    }
}

impl Eq for InCohort {}

impl Hash for InCohort {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.members).hash(state);
    }
}

impl ScalarUDFImpl for InCohort {
    fn name(&self) -> &'static str {
        "inCohort"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let ids = arrays.first().and_then(|ids| ids.as_fixed_size_binary_opt());
        let Some(ids) = ids.filter(|ids| ids.value_length() == 16) else {
            return Err(DataFusionError::Internal("inCohort takes one array of ids of 16 bytes".to_owned()));
        };
        let mut finder = Finder::new(&self.members.persons);
        let mut is_member = |row: usize| ids.is_valid(row) && id(ids.value(row)).is_some_and(|id| finder.has(id));
        let found = BooleanBuffer::collect_bool(ids.len(), &mut is_member);
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::new(found, None))))
    }
}

fn id(bytes: &[u8]) -> Option<PersonId> {
    bytes.try_into().ok().map(Uuid::from_bytes)
}
