//! Bodies of any media type, for the description: bytes, by a name that generators of clients know, and by any other.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Content, RefOr, Required};

/// What the handlers say.
const ANY: &str = "*/*";
/// What generators of clients know.
const BYTES: &str = "application/octet-stream";

/// Says that bodies of any media type are bytes; of what comes in, how many are taken.
pub fn add_to(operation: &mut Operation, most: Option<u64>) {
    if let Some(RefOr::T(body)) = &mut operation.request_body
        && body.content.contains_key(ANY)
    {
        let most = most.and_then(|most| most.try_into().ok());
        body.content = [BYTES, ANY].map(|media| (media.to_owned(), RefOr::T(bytes(most)))).into();
        // One without bytes is a body, too.
        body.required = Some(Required::True);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.content.contains_key(ANY)
        {
            // What is sent as JSON is no string, and a part of it is no JSON: of the others nothing can be said.
            let all = [(BYTES, bytes(None)), (ANY, Content::default())];
            response.content = all.map(|(media, content)| (media.to_owned(), RefOr::T(content))).into();
        }
    }
}

fn bytes(most: Option<usize>) -> Content {
    let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
    let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(format)).max_length(most);
    Content::new(Some(bytes))
}
