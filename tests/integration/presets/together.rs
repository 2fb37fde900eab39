//! All presets in one file, each as an interface.

use super::check;
use super::incoming::post;
use super::outgoing::compare;
use crate::support::golden::{Golden, stems};
use crate::support::{Answer, Daemon, Provider, Websms, callfile};

/// A configuration with every preset, and their recorded data by name.
fn all_presets(provider: &Provider) -> (String, Vec<(String, Golden)>) {
    let names = stems("conf/presets", ".conf").into_iter();
    let goldens: Vec<_> = names
        .map(|name| (name.clone(), Golden::read(&name)))
        .collect();
    let (mut websms, mut websmsd) = ("[websms]\n".to_owned(), "[websmsd]\n".to_owned());
    for (name, golden) in &goldens {
        let [out, incoming] = golden.indexed(name, &provider.url());
        websms.push_str(&out);
        websmsd.push_str(&incoming);
    }
    (websms + &websmsd, goldens)
}

#[test]
fn all_presets_in_one_file_pass_check() {
    let (config, _) = all_presets(&Provider::answering(Answer::ok()));
    let output = check(&config);
    assert!(output.starts_with("ok: "), "{output}");
}

#[test]
fn each_interface_sends_with_its_preset() {
    let provider = Provider::answering(Answer::ok());
    let (config, goldens) = all_presets(&provider);
    let websms = Websms::configured(&config);
    for (number, (name, golden)) in goldens.iter().enumerate() {
        let send = &golden.send[0];
        websms.run(&[&send.to, &send.from, &send.text, name]);
        let requests = provider.wait_for(number + 1);
        compare(&requests[number], &send.request, name);
    }
}

#[test]
fn each_interface_receives_with_its_preset() {
    let (config, goldens) = all_presets(&Provider::answering(Answer::ok()));
    let daemon = Daemon::start(&config);
    let mut expected = Vec::new();
    for (name, golden) in &goldens {
        let mut webhooks = golden.webhooks.iter();
        let webhook = webhooks
            .find(|webhook| !webhook.messages.is_empty())
            .unwrap();
        post(&daemon, &webhook.post, name);
        expected.extend(webhook.messages.iter().map(|message| {
            let (to, from) = (message.to.clone(), message.from.clone());
            (to, from, message.text.clone())
        }));
    }
    let files = daemon.spool.wait_for(expected.len());
    let mut messages: Vec<_> = files.iter().map(|file| callfile::read(file)).collect();
    // Conversations may overtake each other.
    messages.sort();
    expected.sort();
    assert_eq!(messages, expected);
}
