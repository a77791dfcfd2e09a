//! Connections that are kept open for a further request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::test_server::TestServer;

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_is_over() {
    let server = TestServer::with(|options| options.limits.idle = 300).await;
    let mut line = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    for _ in 0..2 {
        line.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 1_024];
        let size = line.read(&mut answer).await.unwrap();
        assert!(answer[..size].starts_with(b"HTTP/1.1 200 "));
    }
    // The default is 75 s, longer than any test runs.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(30), line.read_to_end(&mut rest)).await;
    closed.expect("the connection stays open").unwrap();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}
