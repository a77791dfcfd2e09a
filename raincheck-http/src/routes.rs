//! The routes, one row each: method, path, scope and handler. The operation that describes a row stands at its handler.
//!
//! What is marked `kept` must go on, also on one of the last connections: health, the state of a job, and what ends a run
//! or keeps it.

use axum::Router;
use axum::routing::{MethodFilter, on};
use http::{Method, Uri};
use utoipa::OpenApi;

use super::problem::{self, Problem};
use super::route::{Access, Guarded, Route};
use super::scope::Scope;
use super::server::Server;
use super::{
    control, health, html, jobs, kinds, leases, list, metrics, openapi, queues, readers, result, stream, submit, watch,
    workers,
};

macro_rules! routes {
    (
        routes { $($method:ident $path:literal $scope:ident $($handler:ident)::+ $(($kept:ident))?;)* }
        pages { $($page_method:ident $page_path:literal $page_scope:ident $($page:ident)::+;)* }
    ) => {
        /// Those that programs use.
        pub static ROUTES: &[Route] = &[$(routes!(@row $method $path $scope [$($kept)?] $($handler)::+),)*];

        /// Those that people use, and whoever looks for a description.
        pub static PAGES: &[Route] = &[$(routes!(@row $page_method $page_path $page_scope [] $($page)::+),)*];

        /// The operations of [`ROUTES`].
        #[derive(OpenApi)]
        #[openapi(paths($($($handler)::+),*))]
        pub struct Operations;
    };
    (@row $method:ident $path:literal $scope:ident [$($kept:ident)?] $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            access: Access { scope: Scope::$scope, is_kept: routes!(@is $($kept)?) },
            guarded: |access| on(MethodFilter::$method, Guarded::new(access, $handler)),
        }
    };
    (@is) => { false };
    (@is kept) => { true };
}

routes! {
    routes {
        POST "/jobs" Submit submit::post;
        GET "/jobs" Read list::get;
        POST "/jobs/batch" Submit submit::batch::post;
        GET "/jobs/{id}" Submit jobs::get (kept);
        PUT "/jobs/{id}" Submit submit::put;
        DELETE "/jobs/{id}" Admin control::purge;
        GET "/jobs/{id}/result" Submit result::get;
        GET "/jobs/{id}/stream" Submit stream::get;
        GET "/jobs/{id}/log" Read stream::log;
        GET "/jobs/{id}/events" Submit watch::job::get;
        POST "/jobs/{id}/cancel" Admin control::cancel (kept);
        POST "/jobs/{id}/rerun" Admin control::rerun;
        POST "/jobs/{id}/run-now" Admin control::run_now;
        GET "/events" Read watch::feed::get;
        GET "/kinds" Read kinds::list;
        GET "/kinds/{kind}" Read kinds::get;
        POST "/kinds/{kind}/jobs" Submit submit::raw::post;
        GET "/queues" Read queues::list;
        GET "/queues/{name}" Read queues::get;
        PATCH "/queues/{name}" Admin queues::patch;
        GET "/readers" Read readers::list;
        GET "/readers/{name}" Read readers::get;
        PUT "/readers/{name}" Read readers::put;
        DELETE "/readers/{name}" Read readers::delete;
        GET "/workers" Read workers::list;
        POST "/leases" Work leases::post (kept);
        POST "/leases/heartbeat" Work leases::heartbeat::many (kept);
        POST "/leases/{lease}/heartbeat" Work leases::heartbeat::one (kept);
        POST "/leases/{lease}/complete" Work leases::finish::complete (kept);
        POST "/leases/{lease}/fail" Work leases::finish::fail (kept);
        POST "/leases/{lease}/release" Work leases::finish::release (kept);
        GET "/leases/{lease}/input" Work leases::input::get;
        POST "/leases/{lease}/stream" Work leases::append::stream;
        POST "/leases/{lease}/log" Work leases::append::log;
        GET "/livez" Open health::live (kept);
        GET "/readyz" Open health::ready (kept);
        GET "/metrics" Read metrics::get (kept);
    }
    pages {
        GET "/openapi.json" Any openapi::get;
        GET "/" Read html::start;
        GET "/docs" Any html::docs;
        GET "/problems/{slug}" Open html::problem;
        GET "/assets/raincheck.css" Open html::style;
        GET "/assets/icon.svg" Open html::icon;
        GET "/assets/job.js" Open html::job_script;
        GET "/assets/api.js" Open html::api_script;
    }
}

/// For those paths and methods that no row has.
const UNROUTED: Access = Access { scope: Scope::Any, is_kept: false };

/// The router of all rows.
pub fn router(server: Server) -> Router {
    let rows = ROUTES.iter().chain(PAGES);
    let router = rows.fold(Router::new(), |router, row| router.route(row.path, (row.guarded)(row.access)));
    router
        .method_not_allowed_fallback(Guarded::new(UNROUTED, method_not_allowed))
        .fallback(Guarded::new(UNROUTED, missing))
        .with_state(server)
}

/// Where there is nothing.
async fn missing(uri: Uri) -> Problem {
    let path = uri.path();
    if path.len() > 1 && path.ends_with('/') {
        return Problem::new(problem::NOT_FOUND).detail("paths here do not end with a slash");
    }
    Problem::new(problem::NOT_FOUND)
}

/// Where there is something for other methods, which axum names in `Allow`.
async fn method_not_allowed() -> Problem {
    Problem::new(problem::METHOD_NOT_ALLOWED).detail("this address takes the methods of `Allow`")
}
