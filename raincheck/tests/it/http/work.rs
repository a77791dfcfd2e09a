//! The worker protocol.

use std::time::Duration;

use raincheck_store::Found;
use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, path, send, text};

#[tokio::test]
async fn lease_and_complete() {
    let server = TestServer::new().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let submit = server.ask(Method::POST, "/jobs").header("traceparent", trace).header("tracestate", "a=b");
    let submit = submit.header("tracestate", "c=d").json(&json!({"kind": "k", "input": {"a": 1}}));
    let job = path(&send(submit).await.is(202).json());
    let ask = json!({"worker": {"name": "w", "version": "1"}, "queues": ["default"], "kinds": ["k", "other"], "max": 8, "ttl": "90s", "request_id": "r1"});
    let answer = server.post("/leases", ask.clone()).await.is(200).json();
    let lease = &answer["leases"][0];
    assert_eq!(
        (&lease["attempt"], &lease["ttl_seconds"], &lease["heartbeat_seconds"], &lease["traceparent"]),
        (&json!(1), &json!(90), &json!(30), &json!(trace))
    );
    assert_eq!(lease["tracestate"], "a=b,c=d");
    assert_eq!((&lease["job"]["input"], &lease["job"]["state"]), (&json!({"a": 1}), &json!("running")));
    assert_eq!(answer["finished"], json!([]));
    // The answer was lost: the same request gets the same lease.
    let again = server.post("/leases", ask).await.is(200).json();
    assert_eq!(again["leases"][0]["lease"], lease["lease"]);
    let url = format!("/leases/{}", text(&lease["lease"]));
    assert_eq!(server.post(&format!("{url}/complete"), json!([1])).await.is(200).json()["state"], "succeeded");
    server.post(&format!("{url}/complete"), json!([1])).await.is(200);
    let in_batch = json!({"max": 0, "finish": [{"lease": lease["lease"], "complete": {"result": [1]}}]});
    assert_eq!(server.post("/leases", in_batch).await.is(200).json()["finished"][0]["state"], "succeeded");
    let typed = server.ask(Method::POST, &format!("{url}/complete")).header("content-type", "text/plain").body("[1]");
    assert_eq!(send(typed).await.is(409).slug(), "lease-lost", "the same bytes of another type");
    for (verb, body) in [
        ("complete", json!([2])),
        ("fail", json!({})),
        ("release", json!({})),
        ("heartbeat", json!({})),
        ("stream", json!("x")),
    ] {
        let late = server.post(&format!("{url}/{verb}"), body).await;
        assert_eq!(late.is(409).slug(), "lease-lost", "{verb}");
        assert_eq!(late.json()["job"]["state"], "succeeded");
    }
    assert_eq!(server.get(&format!("{url}/input")).await.is(409).slug(), "lease-lost");
    server.post(&format!("{url}/log"), json!("its last lines may come later")).await.is(200);
    assert_eq!(server.get(&job).await.is(200).json()["attempt"], 1);
    assert_eq!(server.post("/leases/nope/complete", json!(1)).await.is(404).slug(), "not-found");
}

#[tokio::test]
async fn by_patterns_and_by_queues_alone() {
    let server = TestServer::new().await;
    let submit = async |queue: &str, kind: &str| {
        let job = server.post("/jobs", json!({"kind": kind, "queue": queue})).await.is(202).json();
        server.get(&path(&job)).await.json()["waiting_for"].clone()
    };
    assert_eq!(submit("a", "shop.email").await, "no worker");
    let kinds = async |ask: serde_json::Value| {
        let answer = server.post("/leases", ask).await.json();
        let leases = answer["leases"].as_array().unwrap().iter();
        leases.map(|lease| text(&lease["job"]["kind"]).to_owned()).collect::<Vec<_>>()
    };
    let by_pattern = json!({"worker": {"name": "p"}, "kinds": ["shop.*", "x"], "max": 8});
    assert_eq!(kinds(by_pattern.clone()).await, ["shop.email"]);
    assert_eq!(submit("b", "shop.sms").await, serde_json::Value::Null, "somebody asked for it lately");
    assert_eq!(submit("a", "mail").await, "no worker");
    let by_queue = json!({"worker": {"name": "q"}, "queues": ["a"], "max": 8, "wait": "30s"});
    assert_eq!(kinds(by_queue.clone()).await, ["mail"]);
    let (kinds, waiting_for) = tokio::join!(kinds(by_queue), async {
        let waits = async || {
            server
                .engine
                .is_waited_for(&raincheck_core::Name::new("a").unwrap(), &raincheck_core::Name::new("any").unwrap())
        };
        super::super::server::until("it is served", Duration::from_secs(5), waits).await;
        submit("a", "any").await
    });
    assert_eq!((kinds, waiting_for), (vec!["any".to_owned()], serde_json::Value::Null));
    let workers = server.get("/workers").await.json();
    assert_eq!((&workers["items"][0]["kinds"], &workers["items"][1]["kinds"]), (&json!(["x", "shop.*"]), &json!([])));
    assert_eq!(server.get("/kinds/shop.sms").await.json()["workers"], json!(["p"]));
    for (bad, pointer) in [
        (json!({"max": 1}), "/kinds"),
        (json!({"kinds": ["shop.?"]}), "/kinds/0"),
        (json!({"queues": ["a*"]}), "/queues/0"),
        (json!({"kinds": (0..101).map(|n| format!("{n}*")).collect::<Vec<_>>()}), "/kinds"),
    ] {
        assert_eq!(server.post("/leases", bad).await.is(422).json()["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn a_heartbeat_hands_a_run_over() {
    let server = TestServer::new().await;
    server.job().await;
    let lease = server.lease("k").await["lease"].clone();
    let url = format!("/leases/{}/heartbeat", text(&lease));
    let beat = async |ttl: &str| server.post(&url, json!({"ttl": ttl})).await;
    assert_eq!(beat("10m").await.is(200).json()["ttl_seconds"], 600);
    assert_eq!(beat("2h").await.is(422).json()["errors"][0]["pointer"], "/ttl");
    assert_eq!(server.post(&url, json!({})).await.is(200).json()["ttl_seconds"], 600, "it goes on as it was");
    let many = json!({"heartbeats": [{"lease": lease, "ttl": "2h"}, {"lease": lease, "ttl": "20m"}]});
    let many = server.post("/leases/heartbeat", many).await.is(200).json();
    assert_eq!(many["heartbeats"][0]["problem"]["status"], 422);
    assert_eq!(many["heartbeats"][1]["ttl_seconds"], 1_200);
}

#[tokio::test]
async fn a_worker_says_what_troubles_it() {
    let server = TestServer::new().await;
    let ask = |trouble: Option<&str>, max: u64| {
        let mut ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": max});
        if let Some(trouble) = trouble {
            ask["worker"]["trouble"] = json!(trouble);
        }
        ask
    };
    server.post("/leases", ask(None, 1)).await.is(204);
    let job = server.job().await;
    assert_eq!(server.get(&job).await.json()["waiting_for"], serde_json::Value::Null);
    server.post("/leases", ask(Some("the scratch folder is full"), 0)).await.is(204);
    assert_eq!(server.get("/workers").await.json()["items"][0]["trouble"], "the scratch folder is full");
    let waits = server.get(&job).await.json();
    assert_eq!(waits["waiting_for"], "no worker");
    assert_eq!(waits["waiting_detail"], "worker w takes no jobs now: the scratch folder is full");
    assert_eq!(server.post("/leases", ask(Some("x"), 1)).await.is(422).json()["errors"][0]["pointer"], "/max");
    // What it serves need not be said again; it is known, and why nobody does.
    server.post("/leases", json!({"worker": {"name": "w", "trouble": "still full"}})).await.is(204);
    let worker = &server.get("/workers").await.json()["items"][0];
    assert_eq!((&worker["kinds"], &worker["serving"]), (&json!(["k"]), &json!(false)));
    assert_eq!(server.get(&job).await.json()["waiting_detail"], "worker w takes no jobs now: still full");
    let kind = server.get("/kinds/k").await.json();
    assert_eq!((&kind["served"], &kind["workers"]), (&json!(false), &json!([])));
    server.post("/leases", ask(Some(&"ü".repeat(3_000)), 0)).await.is(204);
    let shown = server.get("/workers").await.json();
    let shown = text(&shown["items"][0]["trouble"]);
    assert!(shown.len() <= 1_024 && shown.ends_with("ü…"), "{shown}");
    server.post("/leases", ask(Some(""), 1)).await.is(200);
    assert_eq!(server.get("/workers").await.json()["items"][0]["trouble"], serde_json::Value::Null);
    assert_eq!(server.get(&job).await.json()["waiting_detail"], serde_json::Value::Null);
}

/// Whether a job waits for nobody to serve it, `/kinds` and `/workers` must agree on who does.
#[tokio::test]
async fn who_serves_is_told_alike_everywhere() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "shop.a", "queue": "q"})).await);
    server.submit(json!({"kind": "other"})).await;
    let workers = async || {
        let waits = server.get(&job).await.json()["waiting_for"].clone();
        let kind = server.get("/kinds/shop.a").await.json();
        let workers = server.get("/workers").await.json()["items"].as_array().cloned().unwrap_or_default();
        assert_eq!(kind["served"], json!(waits != "no worker"), "{kind}");
        assert_eq!(kind["served"], json!(kind["workers"] != json!([])), "{kind}");
        let serving = workers.iter().filter(|worker| worker["serving"] == true).count();
        (kind["workers"].as_array().unwrap().len(), serving)
    };
    assert_eq!(workers().await, (0, 0));
    // Paused, so that nobody gets it.
    send(server.ask(Method::PATCH, "/queues/q").json(&json!({"paused": true}))).await.is(200);
    let ask = async |mut ask: serde_json::Value| {
        ask["worker"] = json!({"name": "w"});
        server.post("/leases", ask).await.is(204);
        send(server.ask(Method::PATCH, "/queues/q").json(&json!({"paused": false}))).await.is(200);
        let workers = workers().await;
        send(server.ask(Method::PATCH, "/queues/q").json(&json!({"paused": true}))).await.is(200);
        workers
    };
    assert_eq!(ask(json!({"queues": ["q"]})).await, (1, 1), "by its queue alone");
    assert_eq!(ask(json!({"kinds": ["shop.*"], "queues": ["r"]})).await, (0, 1), "a pattern in another queue");
    assert_eq!(ask(json!({"kinds": ["shop.a"], "queues": ["q", "r"]})).await, (1, 1));
    assert_eq!(ask(json!({"kinds": ["x"]})).await, (0, 1), "it asks for something else now");
    assert_eq!(ask(json!({"kinds": ["shop.*"]})).await, (1, 1));
    assert_eq!(ask(json!({"kinds": ["shop.*"], "max": 0})).await, (0, 0), "it takes none");
    assert_eq!(ask(json!({"kinds": ["y", "shop.a"]})).await, (1, 1));
    let all = server.get("/kinds").await.json();
    let of = |kind: &str| all["items"].as_array().unwrap().iter().find(|one| one["name"] == kind).cloned().unwrap();
    assert_eq!((&of("shop.a")["workers"], &of("other")["workers"]), (&json!(["w"]), &json!([])));
}

/// A run that was handed over goes on elsewhere, and hears of a cancel as soon as it speaks, however long its lease.
#[tokio::test]
async fn a_cancel_reaches_a_run_that_was_handed_over_when_it_speaks() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await["lease"].clone();
    let url = format!("/leases/{}", text(&lease));
    server.post(&format!("{url}/heartbeat"), json!({"ttl": "20m"})).await.is(200);
    server.post(&format!("{job}/cancel"), json!(null)).await.is(202);
    assert_eq!(server.get(&job).await.json()["state"], "running", "its worker is asked, and may be away");
    let beat = format!("{url}/heartbeat");
    let heard = server.post(&beat, json!({"wait": "30s"}));
    let heard = tokio::time::timeout(Duration::from_secs(10), heard).await.expect("at once");
    assert_eq!(heard.is(200).json()["cancel_requested"], true);
    assert_eq!(server.post(&format!("{url}/release"), json!({})).await.is(200).json()["state"], "canceled");
}

/// Of two jobs the older one, whose run was lost, is first in line again, and says so; one that was given back is behind.
#[tokio::test]
async fn the_position_is_that_in_which_jobs_are_leased() {
    let server = TestServer::new().await;
    let first = path(&server.submit(json!({"kind": "k", "timeout": "1h"})).await);
    let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "ttl": "2s"});
    server.post("/leases", ask.clone()).await.is(200);
    let second = path(&server.submit(json!({"kind": "k"})).await);
    super::super::server::until("its run is lost", Duration::from_secs(20), async || {
        server.get(&first).await.json()["state"] == "queued"
    })
    .await;
    let positions = async || {
        let (one, other) = (server.get(&first).await.json(), server.get(&second).await.json());
        (one["position"].clone(), other["position"].clone())
    };
    assert_eq!(positions().await.0, 1);
    let leased = server.post("/leases", ask.clone()).await.is(200).json();
    assert_eq!(path(&leased["leases"][0]["job"]), first);
    let lease = text(&leased["leases"][0]["lease"]).to_owned();
    // Long after it was made, by now.
    server.post(&format!("/leases/{lease}/release"), json!({})).await.is(200);
    assert_eq!(positions().await, (json!(null), json!(1)), "nobody knows how many are between");
    let leased = server.post("/leases", ask).await.is(200).json();
    assert_eq!(path(&leased["leases"][0]["job"]), second);
}

/// Jobs of a kind that nobody serves stay where they are: who comes behind them passes them, and its place does not count them.
#[tokio::test]
async fn the_position_counts_what_will_run_before() {
    let server = TestServer::new().await;
    for kind in ["old", "old", "old", "k", "new"] {
        server.submit(json!({"kind": kind})).await;
    }
    let last = path(&server.submit(json!({"kind": "k"})).await);
    server.submit(json!({"kind": "new"})).await;
    let is_at = async |expected: u64, why: &str| {
        super::super::server::until(why, Duration::from_secs(60), async || {
            server.get(&last).await.json()["position"] == expected
        })
        .await;
    };
    server.lease("k").await;
    is_at(1, "three old ones and a new one are served by nobody").await;
    server.lease("old").await;
    is_at(3, "two old ones are before it").await;
}

#[tokio::test]
async fn nothing_in_time_is_204() {
    let server = TestServer::new().await;
    let ask = json!({"kinds": ["k"], "max": 1});
    assert!(server.post("/leases", ask).await.is(204).bytes.is_empty());
    server.post("/leases", json!({"kinds": ["k"], "max": 0})).await.is(204);
    let waiting = server.post("/leases", json!({"kinds": ["k"], "wait": "30s"}));
    let (leased, _) = tokio::join!(waiting, server.job());
    assert_eq!(leased.is(200).json()["leases"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn finish_and_lease_in_one() {
    let server = TestServer::new().await;
    server.post("/jobs/batch", json!({"jobs": (0..5).map(|_| json!({"kind": "k"})).collect::<Vec<_>>()})).await.is(202);
    let ask = json!({"kinds": ["k"], "max": 3});
    let first = server.post("/leases", ask).await.is(200).json();
    let lease = |n: usize| text(&first["leases"][n]["lease"]).to_owned();
    let finish = json!([
        {"lease": lease(0), "complete": {"result": {"n": 0}}},
        {"lease": "forged", "complete": {}},
        {"lease": lease(1), "fail": {"error": {"title": "x"}, "retryable": true, "retry_after": "1h"}},
        {"lease": lease(2), "release": {"delay": "1h"}},
    ]);
    let answer =
        server.post("/leases", json!({"kinds": ["k"], "max": 8, "wait": "30s", "finish": finish})).await.is(200).json();
    let finished = &answer["finished"];
    assert_eq!(finished[0], json!({"lease": lease(0), "state": "succeeded"}));
    assert_eq!(
        (&finished[1]["lease"], &finished[1]["problem"]["type"]),
        (&json!("forged"), &json!("/problems/not-found"))
    );
    assert_eq!((&finished[2]["state"], &finished[3]["state"]), (&json!("scheduled"), &json!("scheduled")));
    assert_eq!(answer["leases"].as_array().unwrap().len(), 2);
    // Whoever hands something in is not kept waiting, even if it was nothing.
    let odd = json!({"kinds": ["other"], "wait": "30s", "finish": [{"lease": "forged", "release": {}}]});
    let odd = tokio::time::timeout(Duration::from_secs(10), server.post("/leases", odd)).await.expect("kept waiting");
    assert_eq!(odd.is(200).json()["finished"][0]["problem"]["status"], 404);
    let late = json!({"max": 0, "finish": [{"lease": lease(1), "complete": {"result": 1}}]});
    let late = server.post("/leases", late).await.is(200).json();
    assert_eq!(late["finished"][0]["problem"]["type"], "/problems/lease-lost");
    for finish in [
        json!([{"lease": lease(0)}]),
        json!([{"lease": lease(0), "complete": {}, "fail": {}}]),
        json!([{"lease": "a", "release": {}}, {"lease": "a", "release": {}}]),
    ] {
        assert_eq!(server.post("/leases", json!({"max": 0, "finish": finish})).await.is(422).slug(), "validation");
    }
}

#[tokio::test]
async fn failing_and_trying_again() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "retry": {"max_attempts": 2, "initial": "0s"}})).await);
    let lease = server.lease("k").await;
    let fail =
        json!({"error": {"type": "Timeout", "title": "slow", "detail": "d"}, "retryable": true, "retry_after": "1h"});
    let after = server.post(&format!("/leases/{}/fail", text(&lease["lease"])), fail).await.is(200).json();
    assert_eq!((&after["state"], &after["failures"], &after["error"]), (&json!("scheduled"), &json!(1), &json!(null)));
    assert_eq!(after["last_error"]["type"], "Timeout");
    send(server.ask(Method::POST, &format!("{job}/run-now"))).await.is(202);
    let lease = server.lease("k").await;
    assert_eq!(lease["attempt"], 2);
    let after = server.post(&format!("/leases/{}/fail", text(&lease["lease"])), json!({})).await.is(200).json();
    assert_eq!((&after["state"], &after["failures"]), (&json!("failed"), &json!(2)));
}

#[tokio::test]
async fn an_end_is_answered_with_the_job_however_short_that_is_kept() {
    let server = TestServer::new().await;
    let run = async || {
        let keep = json!({"succeeded": "0s", "failed": "0s"});
        let job = server.submit(json!({"kind": "k", "label": "short", "retention": keep})).await;
        (path(&job), text(&server.lease("k").await["lease"]).to_owned())
    };
    for (verb, body, state) in [
        ("complete", json!(1), "succeeded"),
        ("fail", json!({"retryable": false}), "failed"),
        ("release", json!({}), "canceled"),
    ] {
        let (job, lease) = run().await;
        if verb == "release" {
            send(server.ask(Method::POST, &format!("{job}/cancel"))).await.is(202);
        }
        let ended = server.post(&format!("/leases/{lease}/{verb}"), body.clone()).await.is(200).json();
        assert_eq!((path(&ended).as_str(), &ended["state"]), (job.as_str(), &json!(state)), "{verb}");
        assert_eq!(server.get(&job).await.is(410).slug(), "purged");
        until_purged(&server, &job).await;
        let again = server.post(&format!("/leases/{lease}/{verb}"), body).await;
        assert_eq!(again.is(410).slug(), "purged", "{verb} again");
    }
    let job = path(&server.submit(json!({"kind": "k", "retention": {"failed": "0s"}})).await);
    let canceled = send(server.ask(Method::POST, &format!("{job}/cancel"))).await;
    assert_eq!(canceled.is(200).json()["state"], "canceled");
}

/// A job that is over its time is purged for its worker, as it is for everybody else, before it is swept away and after.
#[tokio::test]
async fn who_comes_too_late_learns_that_the_job_was_purged() {
    let server = TestServer::new().await;
    let job = path(&server.submit(json!({"kind": "k", "retention": {"succeeded": "0s"}})).await);
    let lease = server.lease("k").await;
    let url = format!("/leases/{}", text(&lease["lease"]));
    server.post(&format!("{url}/complete"), json!(1)).await.is(200);
    for _ in 0..3 {
        server.get(&job).await.is(410);
        assert_eq!(server.post(&format!("{url}/heartbeat"), json!({})).await.is(410).slug(), "purged");
        assert_eq!(server.get(&format!("{url}/input")).await.is(410).slug(), "purged");
        let ends = json!({"max": 0, "finish": [{"lease": lease["lease"], "fail": {}}]});
        let ends = server.post("/leases", ends).await.is(200).json();
        assert_eq!(ends["finished"][0]["problem"]["type"], "/problems/purged", "{ends}");
    }
}

/// A worker whose answer was lost tells from the refusal whether its end was recorded.
#[tokio::test]
async fn a_repeated_end_shows_what_was_recorded() {
    let server = TestServer::new().await;
    let fail = |retryable: bool| json!({"error": {"type": "Mine"}, "retryable": retryable, "retry_after": "1h"});
    for (verb, body, state, error, last_error) in [
        ("fail", fail(true), "scheduled", json!(null), json!("Mine")),
        ("fail", fail(false), "failed", json!("Mine"), json!(null)),
        ("release", json!({"delay": "1h"}), "scheduled", json!(null), json!(null)),
    ] {
        server.job().await;
        let end = format!("/leases/{}/{verb}", text(&server.lease("k").await["lease"]));
        server.post(&end, body.clone()).await.is(200);
        let again = server.post(&end, body).await;
        assert_eq!(again.is(409).slug(), "lease-lost");
        let job = &again.json()["job"];
        let shown = (&job["state"], &job["attempt"], &job["error"]["type"], &job["last_error"]["type"]);
        assert_eq!(shown, (&json!(state), &json!(1), &error, &last_error), "{verb}");
    }
}

/// Retention has removed it.
async fn until_purged(server: &TestServer, job: &str) {
    let id = job.rsplit('/').next().unwrap().parse().unwrap();
    let purged = async || matches!(server.engine.store().job(id).await.unwrap(), Found::Purged(_));
    super::super::server::until("it is purged", Duration::from_secs(30), purged).await;
}

#[tokio::test]
async fn heartbeats_carry_progress() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    let url = format!("/leases/{}/heartbeat", text(&lease["lease"]));
    let beat = json!({"progress": {"percent": 42.5, "current": 17.0, "total": 40, "message": "pass 1", "data": {"x": [1]}}, "ttl": "60s"});
    assert_eq!(server.post(&url, beat).await.is(200).json(), json!({"ttl_seconds": 60, "cancel_requested": false}));
    let progress = json!({"percent": 42.5, "current": 17, "total": 40, "message": "pass 1", "data": {"x": [1]}});
    let shown = server.get(&format!("{job}?wait=1s")).await.json();
    assert_eq!(shown["progress"], progress);
    assert_eq!(send(server.ask(Method::POST, &url)).await.is(200).json()["ttl_seconds"], 60);
    for (bad, pointer) in [
        (json!({"progress": {"percent": 101}}), "/progress/percent"),
        (json!({"progress": {"current": -1}}), "/progress/current"),
        (json!({"progress": {"data": "x".repeat(5_000)}}), "/progress/data"),
        (json!({"progress": {"nope": 1}}), "/progress/nope"),
        (json!({"ttl": "1s"}), "/ttl"),
        (json!({"ttl": "25h"}), "/ttl"),
    ] {
        let reply = server.post(&url, bad).await;
        assert_eq!(reply.is(422).json()["errors"][0]["pointer"], pointer);
    }
    let many =
        json!({"heartbeats": [{"lease": text(&lease["lease"]), "progress": {"percent": 50}}, {"lease": "forged"}]});
    let many = server.post("/leases/heartbeat", many).await.is(200).json();
    assert_eq!(many["heartbeats"][0], json!({"lease": lease["lease"], "ttl_seconds": 60, "cancel_requested": false}));
    assert_eq!(many["heartbeats"][1]["problem"]["type"], "/problems/not-found");
}

#[tokio::test]
async fn bad_requests_for_work() {
    let server = TestServer::new().await;
    for (body, pointer) in [
        (json!({"kinds": []}), "/kinds"),
        (json!({"kinds": ["k!"]}), "/kinds/0"),
        (json!({"kinds": ["k"], "queues": ["../x"]}), "/queues/0"),
        (json!({"kinds": ["k"], "max": 1001}), "/max"),
        (json!({"kinds": ["k"], "max": -1}), "/max"),
        (json!({"kinds": ["k"], "ttl": "1s"}), "/ttl"),
        (json!({"kinds": ["k"], "wait": "soon"}), "/wait"),
        (json!({"kinds": ["k"], "request_id": ""}), "/request_id"),
        (json!({"kinds": ["k"], "worker": ["w"]}), "/worker"),
        (json!({"kinds": ["k"], "worker": {"name": ""}}), "/worker/name"),
        (json!({"kinds": ["k"], "worker": {"name": "n".repeat(257)}}), "/worker/name"),
        (json!({"kinds": ["k"], "worker": {"name": "\u{1b}[2J"}}), "/worker/name"),
        (json!({"kinds": ["k"], "worker": {"name": "w", "version": "v".repeat(257)}}), "/worker/version"),
        (json!({"kinds": ["k"], "nope": 1}), "/nope"),
    ] {
        let reply = server.post("/leases", body.clone()).await;
        assert_eq!(reply.is(422).json()["errors"][0]["pointer"], pointer, "{body}");
    }
}
