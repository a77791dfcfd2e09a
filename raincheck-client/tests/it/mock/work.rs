//! The worker's half of the mock: lease, heartbeat, finish, append.

use super::*;

pub async fn lease(State(table): State<Shared>, Json(request): Json<Value>) -> Response {
    let finish = request["finish"].as_array().cloned().unwrap_or_default();
    {
        let mut table = table.lock().unwrap();
        if let Some(trouble) = request["worker"]["trouble"].as_str() {
            assert_eq!(request["max"], 0);
            table.troubles.push(trouble.to_owned());
        } else {
            table.lease_calls += 1;
        }
        if let Some(status) = table.refuse_leases {
            return problem(status.as_u16(), "forbidden");
        }
        if table.drain > 0 && finish.is_empty() {
            table.drain -= 1;
            return Json(json!({"leases": [], "finished": [], "drain": true})).into_response();
        }
    }
    let mut finished = Vec::new();
    if !finish.is_empty() {
        let mut table = table.lock().unwrap();
        table.largest_batch = table.largest_batch.max(finish.len());
        for end in &finish {
            let lease = end["lease"].as_str().unwrap();
            table.ends_in_lease_calls += 1;
            let again = table.again;
            let known = running(&mut table, lease).map(|(id, job)| {
                if let Some(complete) = end.get("complete") {
                    let result =
                        complete.get("result").map(|result| ("application/json".into(), result.to_string().into()));
                    (job.result, job.state) = (result, "succeeded".into());
                } else if let Some(failure) = end.get("fail") {
                    fail_job(job, failure);
                } else {
                    give_back(job, again);
                    return id;
                }
                settle(job);
                id
            });
            finished.push(match known {
                Some(id) => json!({"lease": lease, "state": table.jobs[id].state}),
                None => json!({"lease": lease, "problem": {"type": "/problems/lease-lost", "status": 409}}),
            });
        }
        if table.lose_answer.remove("finish") {
            drop(table);
            vanish();
        }
    }
    let id = request["request_id"].as_str().unwrap_or_default().to_owned();
    let max = request["max"].as_u64().unwrap() as usize;
    let kinds: Vec<String> = serde_json::from_value(request["kinds"].clone()).unwrap();
    let wait = request["wait"].as_str().filter(|_| finish.is_empty());
    let wanted = |job: &Job| job.state == "queued" && kinds.contains(&job.kind);
    until(wait, || {
        let table = table.lock().unwrap();
        table.requests.contains_key(&id) || table.jobs.iter().any(wanted)
    })
    .await;
    let mut table = table.lock().unwrap();
    if !table.requests.contains_key(&id) {
        let ready: Vec<usize> =
            table.jobs.iter().enumerate().filter(|(_, job)| wanted(job)).map(|(id, _)| id).take(max).collect();
        for &ready in &ready {
            let job = &mut table.jobs[ready];
            job.attempt += 1;
            job.lease = Some(format!("lease-{ready}-{}", job.attempt));
            job.state = "running".into();
            job.leased_at = Some(Instant::now());
        }
        if !ready.is_empty() {
            table.requests.insert(id.clone(), ready);
        }
    }
    let leased = table.requests.get(&id).cloned().unwrap_or_default();
    let limits = table.limits;
    let leases: Vec<_> = leased.into_iter().filter_map(|id| lease_of(id, &table.jobs[id], limits)).collect();
    if table.lose_answer.remove("lease") && !leases.is_empty() {
        drop(table);
        vanish();
    }
    if leases.is_empty() && finished.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    // By hand, so that the input stays the text that it was.
    let body = format!(r#"{{"leases":[{}],"finished":{}}}"#, leases.join(","), json!(finished));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub fn lease_of(id: usize, job: &Job, limits: Limits) -> Option<String> {
    let lease = job.lease.as_ref()?;
    let mut shown = show(id, job);
    if job.input.is_some() {
        shown["input_href"] = json!(format!("/leases/{lease}/input"));
    }
    let mut shown = shown.to_string();
    if let Some(inline) = &job.inline {
        shown.pop();
        shown = format!("{shown},\"input\":{inline}}}");
    }
    Some(format!(
        r#"{{"lease":"{lease}","job":{shown},"attempt":{},"ttl_seconds":3,"heartbeat_seconds":0.5,"limits":{}}}"#,
        job.attempt,
        json!({"result_bytes": limits.result, "stream_bytes": limits.stream, "log_bytes": limits.log})
    ))
}

pub fn settle(job: &mut Job) {
    job.ends += 1;
    job.lease = None;
}

pub fn give_back(job: &mut Job, again: bool) {
    job.releases += 1;
    if job.cancel_requested {
        job.state = "canceled".into();
        settle(job);
    } else if again {
        (job.state, job.lease) = ("queued".into(), None);
    } else {
        job.state = "released".into();
        settle(job);
    }
}

pub fn fail_job(job: &mut Job, failure: &Value) {
    job.state = if job.cancel_requested { "canceled" } else { "failed" }.into();
    job.failure = Some(failure.clone());
}

pub fn beat(table: &mut Table, lease: &str, progress: &Value) -> Value {
    match running(table, lease) {
        Some((_, job)) => {
            job.beats += 1;
            if !progress.is_null() {
                job.progress.push(progress.clone());
            }
            json!({"lease": lease, "ttl_seconds": 3, "cancel_requested": job.cancel_requested})
        }
        None => json!({"lease": lease, "problem": {"type": "/problems/lease-lost", "status": 409}}),
    }
}

pub async fn heartbeats(State(table): State<Shared>, Json(request): Json<Value>) -> Response {
    let beats = request["heartbeats"].as_array().unwrap().clone();
    if beats.iter().any(|beat| beat["progress"]["data"]["bad"].is_boolean()) {
        return problem(422, "validation");
    }
    let leases: Vec<String> = beats.iter().map(|beat| beat["lease"].as_str().unwrap().to_owned()).collect();
    let news = || {
        let mut table = table.lock().unwrap();
        leases.iter().any(|lease| running(&mut table, lease).is_none_or(|(_, job)| job.cancel_requested))
    };
    until(request["wait"].as_str(), news).await;
    let mut table = table.lock().unwrap();
    let answers: Vec<_> =
        beats.iter().map(|one| beat(&mut table, one["lease"].as_str().unwrap(), &one["progress"])).collect();
    Json(json!({"heartbeats": answers})).into_response()
}

pub async fn heartbeat(State(table): State<Shared>, Path(lease): Path<String>, Json(request): Json<Value>) -> Response {
    let answer = beat(&mut table.lock().unwrap(), &lease, &request["progress"]);
    if answer.get("problem").is_some() { problem(409, "lease-lost") } else { Json(answer).into_response() }
}

pub fn end(table: &Shared, lease: &str, act: impl FnOnce(&mut Job)) -> Response {
    let mut table = table.lock().unwrap();
    let Some((id, job)) = running(&mut table, lease) else { return problem(409, "lease-lost") };
    act(job);
    settle(job);
    Json(show(id, job)).into_response()
}

pub async fn complete(
    State(table): State<Shared>,
    Path(lease): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    if header(header::CONTENT_TYPE).as_deref() == Some("too/large") {
        return problem(413, "too-large");
    }
    end(&table, &lease, |job| {
        job.state = "succeeded".into();
        job.disposition = header(header::CONTENT_DISPOSITION);
        job.result = header(header::CONTENT_TYPE).map(|content_type| (content_type, body.to_vec()));
    })
}

pub async fn fail(State(table): State<Shared>, Path(lease): Path<String>, Json(failure): Json<Value>) -> Response {
    end(&table, &lease, |job| fail_job(job, &failure))
}

pub async fn release(State(table): State<Shared>, Path(lease): Path<String>) -> Response {
    let mut table = table.lock().unwrap();
    let again = table.again;
    let Some((id, job)) = running(&mut table, &lease) else { return problem(409, "lease-lost") };
    give_back(job, again);
    Json(show(id, job)).into_response()
}

pub async fn input(State(table): State<Shared>, Path(lease): Path<String>) -> Response {
    let mut table = table.lock().unwrap();
    if table.refuse_inputs > 0 {
        table.refuse_inputs -= 1;
        return problem(503, "store-unavailable");
    }
    if table.inputs_are_lost {
        return problem(410, "payload-lost");
    }
    let Some((_, job)) = running(&mut table, &lease) else { return problem(409, "lease-lost") };
    let (content_type, bytes) = job.input.clone().unwrap();
    ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

pub fn append(bytes: &mut Vec<u8>, query: &HashMap<String, String>, body: &[u8], limit: u64) -> Response {
    let offset = query.get("offset").map_or(bytes.len(), |offset| offset.parse().unwrap());
    // A gap would be a bug of the client; an overlap is not doubled.
    assert!(offset <= bytes.len(), "a hole before {offset}");
    let new = body.get(bytes.len() - offset..).unwrap_or_default();
    if (bytes.len() + new.len()) as u64 > limit {
        return problem(413, "too-large");
    }
    bytes.extend_from_slice(new);
    Json(json!({"offset": bytes.len(), "room": limit - bytes.len() as u64})).into_response()
}

pub async fn append_stream(
    State(table): State<Shared>,
    Path(lease): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut table = table.lock().unwrap();
    let limit = table.limits.stream;
    let Some((_, job)) = running(&mut table, &lease) else { return problem(409, "lease-lost") };
    job.stream_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    append(&mut job.stream, &query, &body, limit)
}

pub async fn append_log(
    State(table): State<Shared>,
    Path(lease): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    table.lock().unwrap().logs_asked += 1;
    while table.lock().unwrap().log_is_slow {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut table = table.lock().unwrap();
    let limit = table.limits.log;
    let wrote = |job: &&mut Job| [&job.lease, &job.over].into_iter().flatten().any(|one| *one == lease);
    let Some(job) = table.jobs.iter_mut().find(wrote) else { return problem(409, "lease-lost") };
    append(&mut job.log, &query, &body, limit)
}
