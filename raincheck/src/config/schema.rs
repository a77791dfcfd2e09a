//! JSON Schemas that settings name.

use std::path::Path;

/// The JSON Schema in a file.
///
/// # Errors
/// What is wrong with the file, for people.
pub fn schema(path: &Path) -> Result<serde_json::Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let schema: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{} is not JSON: {error}", path.display()))?;
    if schema.is_object() || schema.is_boolean() {
        Ok(schema)
    } else {
        Err(format!("{} is not a JSON Schema", path.display()))
    }
}
