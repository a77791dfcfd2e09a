//! Patterns of names, against a table and against a slow matcher that is plainly right.

use proptest::prelude::*;
use raincheck_core::{LeaseJobs, Name, NameError, NameFilter, NameFilterError, Pattern, limits};

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect("a pattern")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

#[test]
fn stars_stand_for_anything_and_the_rest_for_itself() {
    for (text, yes, no) in [
        ("shop.*", &["shop.email", "shop.a.b", "shop."][..], &["shop", "shopx", "a.shop.b", "Shop.email"][..]),
        ("*.email", &["shop.email", "a.b.email"], &["email", "shop.email.x", "shopemail"]),
        ("*", &["a", "shop.email"], &[]),
        ("**", &["a", "shop.email"], &[]),
        ("a*a", &["aa", "aba", "aaa"], &["a", "ab", "ba"]),
        ("a*b*c", &["abc", "axbxc", "abbc", "abcbc"], &["ac", "acb", "abcb", "cba"]),
        ("*mail*", &["mail", "email", "mail.send", "a.mail.b"], &["mai", "ma.il"]),
        ("a*ab*b", &["aabb", "aabxb"], &["aab", "abb", "ab"]),
        ("shop.email", &["shop.email"], &["shop.emai", "shop.email2"]),
    ] {
        let pattern = pattern(text);
        assert!(yes.iter().all(|it| pattern.matches(&name(it))), "{text}");
        assert!(!no.iter().any(|it| pattern.matches(&name(it))), "{text}");
    }
}

#[test]
fn charset_and_length_are_those_of_names() {
    let longest = format!("*{}", "k".repeat(127));
    for good in ["*", "shop.*", "*x", "a*b", "Mail::*", "plain", &longest] {
        assert_eq!(pattern(good).as_str(), good);
    }
    assert_eq!(Pattern::new(""), Err(NameError::Empty));
    assert_eq!(Pattern::new("a b*"), Err(NameError::Character(' ')));
    assert_eq!(Pattern::new("*?"), Err(NameError::Character('?')));
    assert_eq!(Pattern::new(".*"), Err(NameError::Beginning('.')));
    assert_eq!(Pattern::new(&format!("{longest}k")), Err(NameError::TooLong));
    assert!(Pattern::is_meant("a*") && !Pattern::is_meant("a"));
}

#[test]
fn a_request_wants_what_its_names_and_patterns_say_and_any_kind_only_of_queues_it_names() {
    let wants = |queues: &[&str], kinds: &[&str], patterns: &[&str]| {
        let names = |texts: &[&str]| texts.iter().map(|text| name(text)).collect::<Vec<_>>();
        let request = LeaseJobs {
            worker: "w".into(),
            queues: names(queues),
            kinds: names(kinds),
            patterns: patterns.iter().map(|text| pattern(text)).collect(),
            max: 1,
            ttl: 1,
            request_id: None,
        };
        [("a", "x"), ("a", "shop.y"), ("b", "x")].map(|(queue, kind)| request.wants(&name(queue), &name(kind)))
    };
    assert_eq!(wants(&[], &["x"], &[]), [true, false, true]);
    assert_eq!(wants(&["a"], &["x"], &[]), [true, false, false]);
    assert_eq!(wants(&[], &[], &["shop.*"]), [false, true, false]);
    assert_eq!(wants(&["a"], &["x"], &["shop.*"]), [true, true, false]);
    assert_eq!(wants(&["a"], &[], &[]), [true, true, false]);
    assert_eq!(wants(&["b"], &[], &["shop.*"]), [false, false, false]);
    assert_eq!(wants(&[], &[], &[]), [false; 3], "nothing was asked for");
}

#[test]
fn a_filter_admits_what_one_of_its_names_and_patterns_stands_for() {
    let admits = |text: &str| {
        let filter = NameFilter::parse(text).expect("a filter");
        ["a", "shop.mail", "shop.", "b"].map(|it| filter.admits(&name(it)))
    };
    assert_eq!(admits("a"), [true, false, false, false]);
    assert_eq!(admits("shop.*"), [false, true, true, false]);
    assert_eq!(admits("b,*mail,b"), [false, true, false, true]);
    assert_eq!(admits("x,*"), [true; 4]);
    assert!(NameFilter::default().admits(&name("a")) && NameFilter::default().is_any());
    assert!(NameFilter::parse("x,**").is_ok_and(|filter| filter.is_any()));
    assert!(NameFilter::parse("x,a*").is_ok_and(|filter| !filter.is_any()));
    assert!(NameFilter::from(name("b")).admits(&name("b")) && !NameFilter::from(name("b")).admits(&name("a")));
}

#[test]
fn what_is_wrong_with_a_filter_is_said_with_its_place() {
    let wrong = |text: &str| NameFilter::parse(text).expect_err("no filter");
    assert_eq!(wrong(""), NameFilterError::Name(1, NameError::Empty));
    assert_eq!(wrong("a,"), NameFilterError::Name(2, NameError::Empty));
    assert_eq!(wrong("a,b*,c d"), NameFilterError::Name(3, NameError::Character(' ')));
    assert_eq!(wrong(".*"), NameFilterError::Name(1, NameError::Beginning('.')));
    assert!(NameFilter::parse(&vec!["a*"; limits::FILTER_NAMES].join(",")).is_ok());
    assert_eq!(wrong(&vec!["a*"; limits::FILTER_NAMES + 1].join(",")), NameFilterError::TooMany);
}

/// Tries every length for each `*`.
fn plainly(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| plainly(rest, &name[at..])),
        Some((byte, rest)) => name.first() == Some(byte) && plainly(rest, &name[1..]),
    }
}

proptest! {
    #[test]
    fn matches_what_the_slow_one_matches(text in "[ab*]{1,8}", name in "[ab]{1,10}") {
        let it = pattern(&text);
        prop_assert_eq!(it.matches(&self::name(&name)), plainly(text.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn what_is_made_from_a_name_by_leaving_out_matches_it(name in "[a-c.]{1,20}", cuts in proptest::collection::vec(any::<bool>(), 20)) {
        let name = format!("n{name}");
        let left: String = name.chars().zip(cuts.into_iter().cycle()).map(|(c, cut)| if cut { '*' } else { c }).collect();
        prop_assert!(Pattern::new(&left).is_err() || pattern(&left).matches(&self::name(&name)));
    }
}
