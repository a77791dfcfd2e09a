//! What generated clients call the operations.

use http::Method;

/// The name of an operation, short and unique.
pub fn name(method: &Method, path: &str) -> Option<&'static str> {
    Some(match (method.as_str(), path) {
        ("POST", "/jobs") => "submit_job",
        ("GET", "/jobs") => "list_jobs",
        ("POST", "/jobs/batch") => "submit_batch",
        ("GET", "/jobs/{id}") => "get_job",
        ("PUT", "/jobs/{id}") => "put_job",
        ("DELETE", "/jobs/{id}") => "purge_job",
        ("GET", "/jobs/{id}/result") => "get_result",
        ("GET", "/jobs/{id}/stream") => "get_stream",
        ("GET", "/jobs/{id}/log") => "get_log",
        ("GET", "/jobs/{id}/events") => "get_job_events",
        ("POST", "/jobs/{id}/cancel") => "cancel_job",
        ("POST", "/jobs/{id}/rerun") => "rerun_job",
        ("POST", "/jobs/{id}/run-now") => "run_job_now",
        ("GET", "/events") => "get_events",
        ("GET", "/kinds") => "list_kinds",
        ("GET", "/kinds/{kind}") => "get_kind",
        ("POST", "/kinds/{kind}/jobs") => "submit_bytes",
        ("GET", "/queues") => "list_queues",
        ("GET", "/queues/{name}") => "get_queue",
        ("PATCH", "/queues/{name}") => "change_queue",
        ("GET", "/readers") => "list_readers",
        ("GET", "/readers/{name}") => "get_reader",
        ("PUT", "/readers/{name}") => "put_reader",
        ("DELETE", "/readers/{name}") => "delete_reader",
        ("GET", "/workers") => "list_workers",
        ("POST", "/leases") => "lease",
        ("POST", "/leases/heartbeat") => "heartbeats",
        ("POST", "/leases/{lease}/heartbeat") => "heartbeat",
        ("POST", "/leases/{lease}/complete") => "complete",
        ("POST", "/leases/{lease}/fail") => "fail",
        ("POST", "/leases/{lease}/release") => "release",
        ("GET", "/leases/{lease}/input") => "get_lease_input",
        ("POST", "/leases/{lease}/stream") => "append_stream",
        ("POST", "/leases/{lease}/log") => "append_log",
        ("GET", "/livez") => "live",
        ("GET", "/readyz") => "ready",
        ("GET", "/metrics") => "metrics",
        _ => return None,
    })
}
