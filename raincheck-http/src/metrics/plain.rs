//! The older of the two formats.

/// The older format names a counter in full where OpenMetrics names its family.
pub fn plain(text: &str) -> String {
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(text.len() + 512);
    for line in text.lines().filter(|line| *line != "# EOF") {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match described.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(&name) => {
                out.push_str(&format!("{}{name}_total {rest}\n", &line[..7]));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}
