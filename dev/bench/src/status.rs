//! P16: the status of a job, asked for again and again; the whole of it, or only whether it changed.

use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::{post, request},
        load,
        report::Row,
        series::Series,
        server::{Server, job},
    },
    cli::exit::Failure,
};

use crate::bare;

/// Measures GET and conditional GET.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let answers = options.scratch()?;
    let folder = options.scratch()?;
    let server = Server::start(options, folder.path())?;
    let mut connection = server.connect().await?;
    let id = connection.expect(&post("/jobs", &job()), 202).await?.member("id")?;
    let path = format!("/jobs/{id}");
    let whole = request("GET", &path, &[], b"");
    let answer = connection.expect(&whole, 202).await?;
    bare::keep(answers.path(), "status", &answer)?;
    let etag = answer.header("etag").ok_or_else(|| broken("a job without an ETag"))?;
    let changed = request("GET", &path, &[("if-none-match", &etag)], b"");
    bare::keep(answers.path(), "unchanged", &connection.expect(&changed, 304).await?)?;
    let limit = bare::start(answers.path())?;
    let mut rates: [Series; 4] = Default::default();
    for _ in 0..options.rounds {
        let turns = [
            (server.address, &whole, 202),
            (limit.address, &whole, 202),
            (server.address, &changed, 304),
            (limit.address, &changed, 304),
        ];
        for (rates, (address, request, status)) in rates.iter_mut().zip(turns) {
            rates.push(load::run(address, request, status, options.callers, options.time() / 2).await?.rate);
        }
    }
    let [get, get_limit, same, same_limit] = rates;
    let (callers, name) = (options.callers, bare::NAME);
    Ok(vec![
        Row::new("P16", format!("GET of a job, {callers} callers"), get, "/s").over(name, &get_limit).at_least(0.6),
        Row::new("P16", format!("GET of a job, 304, {callers} callers"), same, "/s")
            .over(name, &same_limit)
            .at_least(0.6),
    ])
}
