//! Texts of every kind and size arrive byte for byte: in one SIP MESSAGE if it can
//! carry them, otherwise in several, which are cut between grapheme clusters.
//!
//! `WEBSMS_TEST_TEXTS` is the number of texts, `WEBSMS_TEST_LONG` the number of long
//! texts of one sender.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation as _;

use crate::dice::Dice;
use crate::pbx::{Changes, Pbx, number};
use crate::support::daemon::Server;
use crate::support::http::{self, FORM, JSON};
use crate::support::sip::{Phone, Received};
use crate::support::{size, wait_within};

const JOHN: &str = "+12025550160";
const REMOTE: &str = "+15017122661";

/// The size limit of one SIP MESSAGE, in bytes, before and after its encoding.
const WHOLE_MAX: usize = 1000;

/// The size limit of a text, in bytes.
const TEXT_MAX: usize = 65_536;

/// Phones that get texts at the same time.
const PHONES: usize = 4;

/// How long a text of the largest size may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pieces of texts, by script.
const CLUSTERS: &[&[&str]] = &[
    // Special characters of call files, variables and dialplans.
    &[
        "%", ";", "\\", "#", "\"", "'", ",", "${", "$[", "}", "]", "(", ")", ":", ":)", "&", "|",
        "`", "~", "^", "=", "+", "-", "_", "*", "/", "?", "!", "@", "<", ">", ".", "$", "[", "{",
        "%41", "%00", "%zz", "\\;", " #", "${EXTEN}", "$[1+1]", "\\n", "&amp;",
    ],
    &[
        " ", "  ", "\t", "\r\n", "\n", "\r", "\u{a0}", "\u{2028}", "\u{7f}", "\u{1}", "\u{85}",
    ],
    &["a", "b", "Z", "0", "9", "the", "Hello", "www.example.com"],
    &[
        "ä",
        "ß",
        "é",
        "e\u{301}",
        "ø",
        "Å",
        "n\u{303}",
        "q\u{307}\u{323}",
    ],
    &["Ж", "щ", "ы", "и\u{306}", "Привет", "ґ"],
    &[
        "日",
        "本",
        "語",
        "漢",
        "字",
        "한",
        "ᄀ\u{1161}\u{11a8}",
        "か\u{3099}",
    ],
    &["ש", "ל", "שׁ", "م", "ر", "ح", "بِ", "\u{202b}", "\u{202c}"],
    &["क्षि", "ก็", "த", "நி", "မ္"],
    &[
        "😀",
        "👨\u{200d}👩\u{200d}👧\u{200d}👦",
        "👩🏽\u{200d}🚀",
        "🇸🇪",
        "🇩🇪",
        "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        "❤\u{fe0f}\u{200d}🔥",
        "1\u{fe0f}\u{20e3}",
        "👍🏿",
    ],
    &[
        "\u{fffd}",
        "\u{feff}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{200b}",
    ],
];

/// A text of exactly `bytes` bytes.
fn text(dice: &mut Dice, bytes: usize) -> String {
    // Most texts have mainly one script; the others have all of them.
    let script = *dice.one_of(CLUSTERS);
    let pure = dice.below(3) > 0;
    let mut text = String::new();
    while text.len() < bytes {
        let from = if pure && dice.below(8) > 0 {
            script
        } else {
            *dice.one_of(CLUSTERS)
        };
        let cluster = *dice.one_of(from);
        if text.len() + cluster.len() <= bytes {
            text.push_str(cluster);
        } else {
            text.push(*dice.one_of(&['x', ' ', '%', '#', ';', '\\', '\n', ')']));
        }
    }
    text
}

/// Sizes at and around limits, then random sizes of all magnitudes.
fn sizes(dice: &mut Dice, count: usize) -> Vec<usize> {
    let edges = [
        1, 2, 3, 4, 7, 159, 160, 161, 334, 500, 998, 999, 1000, 1001, 1002, 1022, 1023, 1024, 1999,
        2000, 2001, 4095, 4096, 8192, 32_768, TEXT_MAX,
    ];
    let mut sizes = edges.to_vec();
    while sizes.len() < count {
        let magnitude = 1 << (1 + dice.below(16));
        sizes.push(1 + dice.below(magnitude));
    }
    sizes
}

/// The size of a text in the shorter of the two forms in a call file, in which only
/// bytes that Asterisk would change are encoded, as three bytes.
fn encoded_length(text: &str) -> usize {
    let changed = |byte: u8| byte.is_ascii_control() || b"%;#\\)".contains(&byte);
    let inner: usize = text
        .bytes()
        .map(|byte| if changed(byte) { 3 } else { 1 })
        .sum();
    let blanks = if text.len() == 1 {
        usize::from(text == " ")
    } else {
        usize::from(text.starts_with(' ')) + usize::from(text.ends_with(' '))
    };
    inner + 2 * blanks
}

/// Waits until a text has arrived at a phone; asserts that it was cut as documented.
fn assert_arrives(phone: &Phone, text: &str) {
    wait_within(PATIENCE, "the whole text", || {
        (phone.bytes() >= text.len()).then_some(())
    });
    let parts = phone.take_inbox();
    let arrived: Vec<_> = parts.iter().flat_map(|part| part.body.clone()).collect();
    assert!(
        arrived == text.as_bytes(),
        "sent     {text:?}\nreceived {:?}",
        String::from_utf8_lossy(&arrived)
    );
    if text.len() <= WHOLE_MAX && encoded_length(text) <= WHOLE_MAX {
        assert_eq!(parts.len(), 1, "{text:?}");
    }
    let borders: HashSet<_> = text
        .grapheme_indices(true)
        .map(|(border, _)| border)
        .collect();
    let mut cut = 0;
    for part in &parts {
        assert!(borders.contains(&cut), "cut at {cut}: {text:?}");
        assert!((1..=WHOLE_MAX).contains(&part.body.len()), "{text:?}");
        assert_eq!(part.from, REMOTE);
        cut += part.body.len();
    }
}

fn start() -> (Pbx, Server) {
    Pbx::with_websmsd(&Changes {
        phones: PHONES,
        ..Changes::default()
    })
}

#[test]
fn random_texts_of_all_sizes_arrive_byte_for_byte() {
    let (pbx, server) = start();
    let mut dice = Dice::new();
    let sizes = sizes(&mut dice, size("WEBSMS_TEST_TEXTS", 60));
    let chinese = [112, 200, 500, 1600].map(|count| "語".repeat(count));
    let mut texts: Vec<_> = sizes.iter().map(|size| text(&mut dice, *size)).collect();
    texts.extend(chinese);
    let (count, bytes) = (texts.len(), texts.iter().map(String::len).sum::<usize>());
    let texts = Mutex::new(texts);
    std::thread::scope(|scope| {
        for phone in 1..=PHONES {
            let (pbx, server, texts) = (&pbx, &server, &texts);
            scope.spawn(move || {
                let to = number(phone);
                let phone = pbx.phone(&format!("phone{phone}"));
                loop {
                    let Some(text) = texts.lock().unwrap().pop() else {
                        return;
                    };
                    let form = http::message(&to, REMOTE, &text);
                    assert_eq!(server.post("/", &[FORM], &form).status, 200);
                    assert_arrives(&phone, &text);
                    let json = serde_json::json!({"To": to, "From": REMOTE, "Body": text});
                    let json = json.to_string().into_bytes();
                    assert_eq!(server.post("/", &[JSON], &json).status, 200);
                    assert_arrives(&phone, &text);
                }
            });
        }
    });
    println!("{count} texts, {bytes} bytes in all, each as a form and as JSON");
}

#[test]
fn invalid_bytes_arrive_as_characters() {
    let (pbx, server) = start();
    let john = pbx.phone("john");
    for (bytes, expected) in [
        (&b"a\0b"[..], "a\u{fffd}b"),
        (b"\0", "\u{fffd}"),
        (b"\0\0 \0", "\u{fffd}\u{fffd} \u{fffd}"),
        // What is not UTF-8 is windows-1252.
        (b"a\xffb", "aÿb"),
        (b"\xc3(", "Ã("),
        (b"caf\xe9", "café"),
        // A truncated character, a surrogate, an overlong NUL.
        (b"\xe2\x82 x", "â‚ x"),
        (b"\xed\xa0\x80", "í\u{a0}€"),
        (b"\xc0\x80 \0 \xf0\x9f\x98\x80", "À€ \u{fffd} ðŸ˜€"),
    ] {
        let form = http::form(&[
            ("To", JOHN.as_bytes()),
            ("From", REMOTE.as_bytes()),
            ("Body", bytes),
        ]);
        assert_eq!(server.post("/", &[FORM], &form).status, 200);
        assert_arrives(&john, expected);
    }
    let json = br#"{"To":"+12025550160","From":"+15017122661","Body":"a\u0000b"}"#;
    assert_eq!(server.post("/", &[JSON], json).status, 200);
    assert_arrives(&john, "a\u{fffd}b");
}

#[test]
fn parts_of_many_long_texts_arrive_in_order() {
    let (pbx, server) = start();
    let john = pbx.phone("john");
    let count = size("WEBSMS_TEST_LONG", 30);
    // Five parts each: 1,000 bytes except for the last one. Each word has the number
    // of its text.
    let long = |text: usize| {
        (0..450).fold(String::new(), |long, word| {
            format!("{long}{text:05}.{word:03} ")
        })
    };
    let mut expected = String::new();
    for text in 0..count {
        let long = long(text);
        assert_eq!(server.send(JOHN, REMOTE, &long).status, 200);
        expected.push_str(&long);
    }
    let mut before = 0;
    while john.bytes() < expected.len() {
        // The wait goes on as long as parts arrive.
        wait_within(PATIENCE, "another part", || {
            (john.count() > before).then_some(())
        });
        before = john.count();
    }
    let parts = john.take_inbox();
    let arrived: String = parts.iter().map(Received::text).collect();
    assert!(arrived == expected, "{arrived}");
    assert_eq!(parts.len(), 5 * count);
}
