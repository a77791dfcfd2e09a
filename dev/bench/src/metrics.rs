//! What a server tells of itself in `/metrics`.

use raincheck::{
    bench::{broken::broken, connection::request, server::Server},
    cli::exit::Failure,
};

/// All of it, in the text format of Prometheus.
pub async fn text(server: &Server) -> Result<String, Failure> {
    let mut connection = server.connect().await?;
    let answer = connection.expect(&request("GET", "/metrics", &[], b""), 200).await?;
    Ok(String::from_utf8_lossy(answer.body).into_owned())
}

/// One metric without labels.
pub async fn value(server: &Server, name: &str) -> Result<f64, Failure> {
    let text = text(server).await?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.ok_or_else(|| broken(format!("the server does not tell {name}")))
}
