//! The hosts of an address, each by itself.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// One of them.
#[derive(Clone, Debug)]
struct One {
    host: Option<Host>,
    address: Option<IpAddr>,
    port: u16,
}

/// All of them, and what else the address says.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    all: Vec<One>,
    rest: Config,
}

impl Hosts {
    pub fn of(config: &Config) -> Result<Self, &'static str> {
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = hosts.len().max(addresses.len());
        if count == 0 {
            return Err("it names no host");
        }
        if [hosts.len(), addresses.len()].iter().any(|len| *len > 0 && *len != count) {
            return Err("it has another number of hosts than of addresses of hosts");
        }
        if ports.len() > 1 && ports.len() != count {
            return Err("it has another number of ports than of hosts");
        }
        let all = (0..count).map(|at| One {
            host: hosts.get(at).cloned(),
            address: addresses.get(at).copied(),
            port: ports.get(at).or(ports.first()).copied().unwrap_or(5432),
        });
        Ok(Hosts { all: all.collect(), rest: without_hosts(config) })
    }

    /// What they are called.
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(One::name).collect()
    }

    /// Each as it is now, under the name that reports use. A name that stands for several servers is several hosts.
    pub async fn each(&self) -> Vec<(String, Config)> {
        let mut each = Vec::new();
        for one in &self.all {
            let mut found: Vec<IpAddr> = Vec::new();
            // Where there is none, whoever connects is told so.
            if let (Some(Host::Tcp(name)), None) = (&one.host, one.address)
                && let Ok(all) = tokio::net::lookup_host((name.as_str(), one.port)).await
            {
                found.extend(all.map(|at| at.ip()));
            }
            if found.len() < 2 {
                each.push((format!("{}:{}", one.name(), one.port), self.with(one)));
            }
            for address in found.iter().filter(|_| found.len() > 1) {
                let this = One { address: Some(*address), ..one.clone() };
                each.push((format!("{} ({address}):{}", one.name(), one.port), self.with(&this)));
            }
        }
        each
    }

    fn with(&self, one: &One) -> Config {
        let mut config = self.rest.clone();
        match &one.host {
            Some(Host::Tcp(name)) => config.host(name),
            Some(Host::Unix(path)) => config.host_path(path),
            None => &mut config,
        };
        if let Some(address) = one.address {
            config.hostaddr(address);
        }
        config.port(one.port);
        config
    }
}

impl One {
    fn name(&self) -> String {
        match (&self.host, self.address) {
            (Some(Host::Tcp(name)), _) => name.clone(),
            (Some(Host::Unix(path)), _) => path.display().to_string(),
            (None, address) => address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }
}

/// All that a configuration says but where.
fn without_hosts(config: &Config) -> Config {
    let mut rest = Config::new();
    for (value, set) in [
        (config.get_user(), Config::user as fn(&mut Config, String) -> &mut Config),
        (config.get_dbname(), Config::dbname),
        (config.get_options(), Config::options),
        (config.get_application_name(), Config::application_name),
    ] {
        if let Some(value) = value {
            set(&mut rest, value.to_owned());
        }
    }
    if let Some(password) = config.get_password() {
        rest.password(password);
    }
    if let Some(limit) = config.get_connect_timeout() {
        rest.connect_timeout(*limit);
    }
    if let Some(limit) = config.get_tcp_user_timeout() {
        rest.tcp_user_timeout(*limit);
    }
    rest.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle());
    if let Some(interval) = config.get_keepalives_interval() {
        rest.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        rest.keepalives_retries(retries);
    }
    rest.ssl_mode(config.get_ssl_mode()).ssl_negotiation(config.get_ssl_negotiation());
    rest.channel_binding(config.get_channel_binding());
    rest.target_session_attrs(config.get_target_session_attrs());
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_host_has_its_port_and_all_else_that_the_address_says() {
        let url = "postgres://me:secret@10.0.0.1:1,10.0.0.2:2/jobs?connect_timeout=7&options=-c%20a%3Db";
        let each = Hosts::of(&url.parse().unwrap()).unwrap().each().await;
        let names: Vec<&str> = each.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["10.0.0.1:1", "10.0.0.2:2"]);
        for (at, (_, config)) in each.iter().enumerate() {
            let alone: Config =
                format!("postgres://me:secret@10.0.0.{0}:{0}/jobs?connect_timeout=7&options=-c%20a%3Db", at + 1)
                    .parse()
                    .unwrap();
            assert_eq!(*config, alone);
        }
        let wrong = Hosts::of(&"host=a,b,c port=1,2".parse().unwrap());
        assert_eq!(wrong.unwrap_err(), "it has another number of ports than of hosts");
    }
}
