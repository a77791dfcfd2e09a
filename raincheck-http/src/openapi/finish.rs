//! What all operations have in common, added in one place to what each says of itself.

use http::Method;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{Components, OpenApi, RefOr, Schema, Server};

use super::{bytes, examples, headers, names, problems, security};

/// What is known of an operation besides.
pub struct Row {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// Anybody may.
    pub is_open: bool,
}

/// Finishes the document of a server that is at `url` and takes files of so many bytes.
pub fn finish(document: &mut OpenApi, rows: impl IntoIterator<Item = Row>, url: &str, file_bytes: u64) {
    let mut server = Server::new(url);
    server.description = Some("Where this document is served".to_owned());
    document.servers = Some(vec![server]);
    for row in rows {
        let item = document.paths.paths.get_mut(row.path);
        if let Some(operation) = item.and_then(|item| operation(item, &row.method)) {
            describe(operation, &row, file_bytes);
        }
    }
    let mut components = document.components.take().unwrap_or_else(Components::new);
    problems::define(&mut components);
    headers::define(&mut components);
    security::define(document, &mut components);
    document.components = Some(components);
}

fn operation<'i>(item: &'i mut PathItem, method: &Method) -> Option<&'i mut Operation> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::PATCH => item.patch.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

fn describe(operation: &mut Operation, row: &Row, file_bytes: u64) {
    let name = names::name(&row.method, row.path);
    operation.operation_id = name.map(str::to_owned);
    if row.is_open {
        security::open(operation);
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            present(parameter);
        }
    }
    let is_file = matches!(name, Some("submit_bytes" | "complete"));
    bytes::add_to(operation, is_file.then_some(file_bytes));
    examples::add_to(operation);
    headers::add_to(operation);
    problems::refer(operation);
}

/// A parameter that is there is not null.
fn present(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        && let SchemaType::Array(types) = &mut schema.schema_type
    {
        types.retain(|of| *of != Type::Null);
        if let [of] = types.as_slice() {
            schema.schema_type = SchemaType::Type(of.clone());
        }
    }
}
