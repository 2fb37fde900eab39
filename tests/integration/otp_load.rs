//! Many phones at once while the daemon is killed: attempts, expiry and single use
//! are exact. `WEBSMS_TEST_PHONES`, `WEBSMS_TEST_KILLS`.
//!
//! A model predicts the response for each phone. A request that was cut off by a
//! kill may have been executed or not; the model keeps both states until a response
//! shows which.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::http::{self, JSON};
use crate::support::otp::{OtpDaemon, last_code, received_codes, wrong_code};
use crate::support::{Answer, Provider, size, wait_for};

const CLIENTS: usize = 8;

/// Seconds; longer than the test, so that codes expire only by `advance`.
const LIFETIME: u64 = 5400;

/// Codes by phone, in the order in which the provider got them.
type Codes = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// A provider that records codes by phone.
fn recording_provider() -> (Provider, Codes) {
    let codes = Codes::default();
    let recorded = Arc::clone(&codes);
    let provider = Provider::deciding(move |request| {
        let parameters = request.parameters();
        let code = parameters["Body"].split(' ').next().unwrap().to_owned();
        let mut codes = recorded.lock().unwrap();
        codes
            .entry(parameters["To"].clone())
            .or_default()
            .push(code);
        Answer::ok()
    });
    (provider, codes)
}

fn start(provider: &Provider) -> OtpDaemon {
    let limits = format!("per_phone = 0\nper_client = 0\nper_hour = 0\nlifetime = {LIFETIME}\n");
    OtpDaemon::with_sms(provider, &limits)
}

/// Sends a request; status and body, 0 when it was cut off.
fn request(address: SocketAddr, method: &str, phone: &str, body: &str) -> (u16, String) {
    use std::io::Write as _;

    let target = format!("/otp/{phone}/");
    let raw = http::request_to(address, method, &target, &[JSON], body.as_bytes());
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return (0, String::new());
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let _ = stream.write_all(&raw);
    let response = http::read_response(&mut std::io::BufReader::new(stream));
    (response.status, response.text())
}

fn verify(address: SocketAddr, phone: &str, code: &str) -> (u16, String) {
    request(address, "POST", phone, &format!("{{\"code\": \"{code}\"}}"))
}

fn number(position: usize) -> String {
    format!("1555{position:07}")
}

/// A state that a phone may have in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Nothing,
    Code { code: String, wrong: u32 },
    Expired,
}

/// The response to a code, and the state afterwards.
fn next_state(state: &State, given: &str) -> ((u16, String), State) {
    let answer = |status, text: &str| (status, text.to_owned());
    match state {
        State::Nothing => (answer(404, "No active code"), State::Nothing),
        State::Expired => (answer(401, "Code has expired"), State::Nothing),
        State::Code { code, .. } if code == given => (answer(200, ""), State::Nothing),
        State::Code { wrong: 2, .. } => (answer(401, "Too many failed"), State::Nothing),
        State::Code { code, wrong } => {
            let (code, wrong) = (code.clone(), wrong + 1);
            let left = format!("Incorrect code. {} attempt", 3 - wrong);
            (answer(401, &left), State::Code { code, wrong })
        }
    }
}

/// The phones of one client, with their possible states.
struct Client {
    phones: Vec<(String, Vec<State>)>,
    random: u64,
    codes: Codes,
    cut: usize,
    answered: usize,
}

impl Client {
    /// A pseudo-random number below `bound`; the sequence is the same in each run.
    fn random_below(&mut self, bound: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    fn codes_of(&self, phone: &str) -> Vec<String> {
        let codes = self.codes.lock().unwrap();
        codes.get(&format!("+{phone}")).cloned().unwrap_or_default()
    }

    fn act(&mut self, address: SocketAddr) {
        let position = self.random_below(self.phones.len());
        let (phone, states) = self.phones[position].clone();
        let before = self.codes_of(&phone);
        let action = self.random_below(10);
        let states = if action < 3 {
            self.send(address, &phone, states, before.len())
        } else {
            let given = match before.last() {
                Some(last) if action < 6 => last.clone(),
                Some(last) => wrong_code(last),
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
        let (answer, text) = request(address, "GET", phone, "");
        let sent = self.codes_of(phone).into_iter().skip(before);
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
        let made = states.iter().map(|state| next_state(state, given));
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

    /// Expires all codes of the model.
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
fn attempts_expiry_and_single_use_are_exact_while_the_daemon_is_killed() {
    let count = size("WEBSMS_TEST_PHONES", 200);
    let kills = size("WEBSMS_TEST_KILLS", 6);
    let (provider, codes) = recording_provider();
    let sent = || codes.lock().unwrap().values().map(Vec::len).sum::<usize>();
    let mut otp = start(&provider);
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
        let address = RwLock::new(otp.address);
        let stop = AtomicBool::new(false);
        let acts = count * 6 / CLIENTS;
        otp = thread::scope(|scope| {
            for client in &mut clients {
                let (address, stop) = (&address, &stop);
                scope.spawn(move || {
                    let mut left = acts;
                    while left > 0 || !stop.load(Ordering::Relaxed) {
                        let now = *address.read().unwrap();
                        client.act(now);
                        left = left.saturating_sub(1);
                        // The daemon is being restarted.
                        if client.cut > 0 {
                            wait_for("a daemon", || {
                                let now = *address.read().unwrap();
                                std::net::TcpStream::connect(now).ok().map(drop)
                            });
                        }
                    }
                });
            }
            // Kill it in the middle of the work, however long that takes.
            let before = sent();
            while sent() < before + count / 4 {
                let now = sent();
                wait_for("another code", || (sent() > now).then_some(()));
            }
            let mut holder = address.write().unwrap();
            let otp = otp.restart(Signal::SIGKILL);
            *holder = otp.address;
            drop(holder);
            stop.store(true, Ordering::Relaxed);
            otp
        });
        if round % 2 == 1 {
            otp.advance(Duration::from_secs(LIFETIME));
            clients.iter_mut().for_each(Client::expire);
        }
    }
    let cut: usize = clients.iter().map(|client| client.cut).sum();
    let answered: usize = clients.iter().map(|client| client.answered).sum();
    println!("{count} phones, {kills} kills: {answered} correct answers, {cut} cut off");
    assert!(cut > 0, "no kill met a request");
}

/// The right code from many clients at once is accepted once, and of many wrong ones
/// three count.
#[test]
fn attempts_and_single_use_are_exact_for_concurrent_requests() {
    let count = size("WEBSMS_TEST_PHONES", 200) / 10;
    let (provider, codes) = recording_provider();
    let otp = start(&provider);
    let address = otp.address;
    let verify_concurrently = |phone: &str, code: &str| {
        let mut answers = thread::scope(|scope| {
            let requests: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| verify(address, phone, code)))
                .collect();
            let answers = requests.into_iter().map(|request| request.join().unwrap());
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
        assert_eq!(request(address, "GET", &phone, "").0, 200);
        let statuses: Vec<_> = verify_concurrently(&phone, &last())
            .into_iter()
            .map(|(status, _)| status)
            .collect();
        assert_eq!(statuses, [200, 404, 404, 404, 404, 404, 404, 404]);
        assert_eq!(request(address, "GET", &phone, "").0, 200);
        let answers = verify_concurrently(&phone, &wrong_code(&last()));
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

/// Also when the provider takes longer for the first code than for the others.
#[test]
fn last_of_several_concurrent_codes_is_valid() {
    let answered = AtomicUsize::new(0);
    let provider = Provider::deciding(move |_| {
        if answered.fetch_add(1, Ordering::Relaxed) == 0 {
            thread::sleep(Duration::from_millis(300));
        }
        Answer::ok()
    });
    let otp = start(&provider);
    let (address, phone) = (otp.address, number(0));
    let statuses: Vec<_> = thread::scope(|scope| {
        let requests: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| request(address, "GET", &phone, "").0))
            .collect();
        let statuses = requests.into_iter().map(|request| request.join().unwrap());
        statuses.collect()
    });
    assert_eq!(statuses, [200; CLIENTS]);
    assert_eq!(received_codes(&provider).len(), CLIENTS);
    assert_eq!(verify(address, &phone, &last_code(&provider)).0, 200);
}
