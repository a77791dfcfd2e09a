//! Who may, for the description.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};

const TOKEN: &str = "token";

/// Every operation takes the token, which a server need not have.
pub fn define(document: &mut OpenApi, components: &mut Components) {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("The server's token, where it has one (RFC 6750).".to_owned());
    components.security_schemes.insert(TOKEN.to_owned(), SecurityScheme::Http(bearer).into());
    let none: [&str; 0] = [];
    document.security = Some(vec![SecurityRequirement::new(TOKEN, none), SecurityRequirement::default()]);
}

/// But those that are for anybody.
pub fn open(operation: &mut Operation) {
    operation.security = Some(Vec::new());
}
