//! Many phones at once, and a daemon that is killed meanwhile: attempts, expiry
//! and one use hold exactly. `WEBSMS_TEST_PHONES`, `WEBSMS_TEST_KILLS`.
//!
//! What a phone may get is known by a model. A request that a kill has cut off has
//! been carried out or not; both are kept in mind until an answer tells.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::http::{self, JSON};
use crate::support::otp::{Passwords, another, codes as sms_codes, last_code};
use crate::support::{Answer, Provider, size, wait_for};

const CLIENTS: usize = 8;

/// Longer than the test, so that time passes only when it is told to.
const LIFETIME: u64 = 5400;

/// Codes by phone, in the order in which the provider got them.
type Codes = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// A provider that notes codes by phone.
fn noting() -> (Provider, Codes) {
    let codes = Codes::default();
    let noted = Arc::clone(&codes);
    let provider = Provider::deciding(move |request| {
        let parameters = request.parameters();
        let code = parameters["Body"].split(' ').next().unwrap().to_owned();
        let mut codes = noted.lock().unwrap();
        codes
            .entry(parameters["To"].clone())
            .or_default()
            .push(code);
        Answer::ok()
    });
    (provider, codes)
}

fn passwords(provider: &Provider) -> Passwords {
    let bounds = format!("per_phone = 0\nper_client = 0\nlifetime = {LIFETIME}\n");
    Passwords::by_sms(provider, &bounds)
}

/// Says a request; status and text, 0 when it was cut off.
fn say(address: SocketAddr, method: &str, phone: &str, body: &str) -> (u16, String) {
    use std::io::Write as _;

    let target = format!("/otp/{phone}/");
    let raw = http::request(method, &target, &[JSON], body.as_bytes());
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return (0, String::new());
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let _ = stream.write_all(&raw);
    let response = http::read(&mut std::io::BufReader::new(stream));
    (response.status, response.text())
}

fn verify(address: SocketAddr, phone: &str, code: &str) -> (u16, String) {
    say(address, "POST", phone, &format!("{{\"code\": \"{code}\"}}"))
}

fn number(position: usize) -> String {
    format!("1555{position:07}")
}

/// What may be known of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Nothing,
    Code { code: String, wrong: u32 },
    Expired,
}

/// What a code makes of it: the answer, and what is known then.
fn after(state: &State, given: &str) -> ((u16, String), State) {
    let said = |status, text: &str| (status, text.to_owned());
    match state {
        State::Nothing => (said(404, "No active code"), State::Nothing),
        State::Expired => (said(401, "Code has expired"), State::Nothing),
        State::Code { code, .. } if code == given => (said(200, ""), State::Nothing),
        State::Code { wrong: 2, .. } => (said(401, "Too many failed"), State::Nothing),
        State::Code { code, wrong } => {
            let (code, wrong) = (code.clone(), wrong + 1);
            let left = format!("Incorrect code. {} attempt", 3 - wrong);
            (said(401, &left), State::Code { code, wrong })
        }
    }
}

/// Phones of one client, and what may be known of each.
struct Client {
    phones: Vec<(String, Vec<State>)>,
    random: u64,
    codes: Codes,
    cut: usize,
    answered: usize,
}

impl Client {
    /// The next of some numbers by chance, the same each time.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    fn known(&self, phone: &str) -> Vec<String> {
        let codes = self.codes.lock().unwrap();
        codes.get(&format!("+{phone}")).cloned().unwrap_or_default()
    }

    fn act(&mut self, address: SocketAddr) {
        let position = self.below(self.phones.len());
        let (phone, states) = self.phones[position].clone();
        let before = self.known(&phone);
        let act = self.below(10);
        let states = if act < 3 {
            self.send(address, &phone, states, before.len())
        } else {
            let given = match before.last() {
                Some(last) if act < 6 => last.clone(),
                Some(last) => another(last),
                None => "123456".to_owned(),
            };
            self.check(address, &phone, &states, &given)
        };
        self.phones[position].1 = states;
    }

    fn send(
        &mut self,
        address: SocketAddr,
        phone: &str,
        mut states: Vec<State>,
        before: usize,
    ) -> Vec<State> {
        let (answer, text) = say(address, "GET", phone, "");
        let sent = self.known(phone).into_iter().skip(before);
        let sent = sent.map(|code| State::Code { code, wrong: 0 });
        match answer {
            200 => {
                self.answered += 1;
                let sent: Vec<_> = sent.collect();
                assert_eq!(sent.len(), 1, "{phone}");
                sent
            }
            0 => {
                self.cut += 1;
                states.extend(sent);
                states
            }
            _ => panic!("{phone}: {answer} {text}"),
        }
    }

    fn check(
        &mut self,
        address: SocketAddr,
        phone: &str,
        states: &[State],
        given: &str,
    ) -> Vec<State> {
        let (answer, text) = verify(address, phone, given);
        let made = states.iter().map(|state| after(state, given));
        if answer == 0 {
            self.cut += 1;
            let made = made.map(|(_, state)| state);
            return states.iter().cloned().chain(made).collect();
        }
        self.answered += 1;
        let possible: Vec<_> = made
            .filter(|((expected, start), _)| *expected == answer && text.starts_with(start))
            .map(|(_, state)| state)
            .collect();
        assert!(
            !possible.is_empty(),
            "{phone} {given}: {answer} {text}, {states:?}"
        );
        possible
    }

    /// All codes have expired.
    fn expire(&mut self) {
        for (_, states) in &mut self.phones {
            for state in states {
                if matches!(state, State::Code { .. }) {
                    *state = State::Expired;
                }
            }
        }
    }
}

#[test]
fn attempts_expiry_and_one_use_hold_exactly_while_the_daemon_is_killed() {
    let count = size("WEBSMS_TEST_PHONES", 200);
    let kills = size("WEBSMS_TEST_KILLS", 6);
    let (provider, codes) = noting();
    let sent = || codes.lock().unwrap().values().map(Vec::len).sum::<usize>();
    let mut passwords = passwords(&provider);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|client| Client {
            phones: (0..count)
                .filter(|phone| phone % CLIENTS == client)
                .map(|phone| (number(phone), vec![State::Nothing]))
                .collect(),
            random: client.try_into().unwrap(),
            codes: Arc::clone(&codes),
            cut: 0,
            answered: 0,
        })
        .collect();
    for round in 0..kills {
        let address = RwLock::new(passwords.address);
        let stop = AtomicBool::new(false);
        let acts = count * 6 / CLIENTS;
        passwords = thread::scope(|scope| {
            for client in &mut clients {
                let (address, stop) = (&address, &stop);
                scope.spawn(move || {
                    let mut left = acts;
                    while left > 0 || !stop.load(Ordering::Relaxed) {
                        let now = *address.read().unwrap();
                        client.act(now);
                        left = left.saturating_sub(1);
                        // It is being started anew.
                        if client.cut > 0 {
                            wait_for("a daemon", || {
                                let now = *address.read().unwrap();
                                std::net::TcpStream::connect(now).ok().map(drop)
                            });
                        }
                    }
                });
            }
            // In the middle of it, however long that takes.
            let before = sent();
            while sent() < before + count / 4 {
                let now = sent();
                wait_for("another code", || (sent() > now).then_some(()));
            }
            let mut holder = address.write().unwrap();
            let passwords = passwords.again(Signal::SIGKILL);
            *holder = passwords.address;
            drop(holder);
            stop.store(true, Ordering::Relaxed);
            passwords
        });
        if round % 2 == 1 {
            passwords.forward(Duration::from_secs(LIFETIME));
            clients.iter_mut().for_each(Client::expire);
        }
    }
    let cut: usize = clients.iter().map(|client| client.cut).sum();
    let answered: usize = clients.iter().map(|client| client.answered).sum();
    println!("{count} phones, {kills} kills: {answered} answers as they should be, {cut} cut off");
    assert!(cut > 0, "no kill met a request");
}

/// The same code from many sides at once is right once, and of many wrong ones
/// three count.
#[test]
fn attempts_and_one_use_hold_for_one_phone_from_many_sides() {
    let count = size("WEBSMS_TEST_PHONES", 200) / 10;
    let (provider, codes) = noting();
    let passwords = passwords(&provider);
    let address = passwords.address;
    let ask = |phone: &str, code: &str| {
        let mut answers = thread::scope(|scope| {
            let asking: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| verify(address, phone, code)))
                .collect();
            let answers = asking.into_iter().map(|asking| asking.join().unwrap());
            answers.collect::<Vec<_>>()
        });
        answers.sort();
        answers
    };
    for position in 0..count {
        let phone = number(position);
        let last = || {
            codes.lock().unwrap()[&format!("+{phone}")]
                .last()
                .unwrap()
                .clone()
        };
        assert_eq!(say(address, "GET", &phone, "").0, 200);
        let statuses: Vec<_> = ask(&phone, &last())
            .into_iter()
            .map(|(status, _)| status)
            .collect();
        assert_eq!(statuses, [200, 404, 404, 404, 404, 404, 404, 404]);
        assert_eq!(say(address, "GET", &phone, "").0, 200);
        let answers = ask(&phone, &another(&last()));
        let texts: Vec<_> = answers.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts[..3],
            [
                "Incorrect code. 1 attempt(s) remaining.",
                "Incorrect code. 2 attempt(s) remaining.",
                "Too many failed attempts, please request a new code.",
            ]
        );
        assert!(
            answers[3..].iter().all(|(status, _)| *status == 404),
            "{answers:?}"
        );
    }
}

/// The code that arrives last is the one that counts, also when the provider
/// takes longer over the first one than over those that are asked for meanwhile.
#[test]
fn last_of_several_codes_at_once_counts() {
    let answered = AtomicUsize::new(0);
    let provider = Provider::deciding(move |_| {
        if answered.fetch_add(1, Ordering::Relaxed) == 0 {
            thread::sleep(Duration::from_millis(300));
        }
        Answer::ok()
    });
    let passwords = passwords(&provider);
    let (address, phone) = (passwords.address, number(0));
    let statuses: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| say(address, "GET", &phone, "").0))
            .collect();
        let statuses = asking.into_iter().map(|asking| asking.join().unwrap());
        statuses.collect()
    });
    assert_eq!(statuses, [200; CLIENTS]);
    assert_eq!(sms_codes(&provider).len(), CLIENTS);
    assert_eq!(verify(address, &phone, &last_code(&provider)).0, 200);
}
