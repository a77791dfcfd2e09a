//! What is sent, as an example of each operation that takes JSON.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

/// Adds the example of an operation to its body.
pub fn add_to(operation: &mut Operation) {
    let example = operation.operation_id.as_deref().and_then(of);
    if let Some(RefOr::T(body)) = &mut operation.request_body
        && let Some(RefOr::T(content)) = body.content.get_mut("application/json")
    {
        content.example = example;
    }
}

fn of(id: &str) -> Option<Value> {
    let progress = json!({"percent": 42.5, "message": "encoding"});
    let (lease, error) = ("LEASE", json!({"type": "NoSpace", "title": "The disk is full"}));
    let clip = json!({"url": "https://example.com/clip.mp4"});
    Some(match id {
        "submit_job" => json!({
            "kind": "video.compress", "label": "clip.mp4", "input": clip, "timeout": "15m", "tags": {"customer": "17"}
        }),
        "put_job" => json!({"kind": "invoice.send", "input": {"order": 1017}}),
        "submit_batch" => {
            let page = |number: u32| json!({"kind": "page.fetch", "input": number});
            json!({"request_id": "import-7", "jobs": [page(1), page(2)]})
        }
        "rerun_job" => json!({"input": clip}),
        "change_queue" => json!({"paused": true, "concurrency": 4}),
        "put_reader" => json!({"cursor": "0"}),
        "lease" => json!({
            "worker": {"name": "encoder-1"}, "kinds": ["video.*"], "max": 1, "wait": "20s", "ttl": "30s"
        }),
        "heartbeat" => json!({"progress": progress, "ttl": "30s"}),
        "heartbeats" => json!({"heartbeats": [{"lease": lease, "progress": progress}]}),
        "fail" => json!({"error": error, "retryable": true, "retry_after": "30s"}),
        "release" => json!({"delay": "10s"}),
        _ => return None,
    })
}
