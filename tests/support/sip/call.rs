//! A call that the phone makes. Keys are sent as telephone events (RFC 4733); of the
//! audio it only records whether any was received.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Packet, Phone, Request};
use crate::support::wait_for;

/// Payload type of telephone events, as offered.
const EVENT: u8 = 101;

/// How long a key is down, in samples of 1/8000 s.
const DOWN: u16 = 800;

/// The pause after a key.
const UP: Duration = Duration::from_millis(100);

/// -10 dBm0.
const VOLUME: u8 = 0x0a;

/// A call that Asterisk has answered or refused.
pub(crate) struct Call<'a> {
    phone: &'a Phone,
    /// Its `Call-ID`.
    id: String,
    response: Packet,
    media: UdpSocket,
    /// Keys pressed so far.
    pressed: u16,
}

impl Phone {
    /// Calls a number and waits until Asterisk answers or refuses.
    pub(crate) fn call(&self, number: &str) -> Call<'_> {
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        media.set_nonblocking(true).unwrap();
        let me = media.local_addr().unwrap();
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 {EVENT}\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:{EVENT} telephone-event/8000\r\na=fmtp:{EVENT} 0-15\r\n",
            ip = me.ip(),
            port = me.port()
        );
        let (call_id, tag) = self.new_call_id_and_tag();
        let uri = format!("sip:{number}@{}", self.asterisk.ip());
        let response = self.exchange(&Request {
            method: "INVITE",
            uri: &uri,
            from: &self.from(&tag),
            to: &format!("<{uri}>"),
            call_id: &call_id,
            cseq: 1,
            headers: "Content-Type: application/sdp\r\n",
            body: offer.as_bytes(),
        });
        Call {
            phone: self,
            id: call_id,
            response,
            media,
            pressed: 0,
        }
    }
}

impl Call<'_> {
    /// The status of Asterisk's response to the INVITE.
    pub(crate) fn status(&self) -> u16 {
        self.response.status
    }

    /// Presses keys, one after another.
    pub(crate) fn press(&mut self, keys: &str) {
        let asterisk = self.asterisk();
        for key in keys.chars() {
            let event = "0123456789*#".find(key).expect("a key");
            let event = u8::try_from(event).unwrap();
            // One packet for the start and three for the end, as packets may be lost.
            for (number, (end, samples)) in
                (0..).zip([(0x00, DOWN / 5), (0x80, DOWN), (0x80, DOWN), (0x80, DOWN)])
            {
                let sequence = self.pressed * 4 + number;
                let marker = if number == 0 { 0x80 } else { 0 };
                let time = u32::from(self.pressed + 1) * 10 * u32::from(DOWN);
                let packet = [
                    &[0x80, marker | EVENT][..],
                    &sequence.to_be_bytes(),
                    &time.to_be_bytes(),
                    b"test",
                    &[event, end | VOLUME],
                    &samples.to_be_bytes(),
                ];
                self.media.send_to(&packet.concat(), asterisk).unwrap();
            }
            self.pressed += 1;
            std::thread::sleep(UP);
        }
    }

    /// Whether any audio was received.
    pub(crate) fn heard(&self) -> bool {
        self.media.recv(&mut [0; 1500]).is_ok()
    }

    /// Hangs up.
    pub(crate) fn hang_up(self) {
        let header = |name: &str| self.response.headers[name].as_str();
        let cseq = header("cseq").split(' ').next().unwrap();
        let target = header("contact").split(['<', '>']).nth(1).unwrap();
        let response = self.phone.exchange(&Request {
            method: "BYE",
            uri: target,
            from: header("from"),
            to: header("to"),
            call_id: &self.id,
            cseq: cseq.parse::<u32>().unwrap() + 1,
            headers: "",
            body: b"",
        });
        assert_eq!(response.status, 200, "BYE");
    }

    /// Waits until Asterisk has hung up.
    pub(crate) fn wait_for_end(&self) {
        wait_for("Asterisk to hang up", || {
            let shared = self.phone.shared.lock().unwrap();
            shared.ended.contains(&self.id).then_some(())
        });
    }

    /// Where Asterisk receives audio, from its session description.
    fn asterisk(&self) -> SocketAddr {
        let description = String::from_utf8_lossy(&self.response.body).into_owned();
        let word = |start: &str| {
            let (_, rest) = description.split_once(start).expect("an answered call");
            rest.split([' ', '\r', '\n']).next().unwrap().to_owned()
        };
        let ip = word("c=IN IP4 ").parse().unwrap();
        SocketAddr::new(ip, word("m=audio ").parse().unwrap())
    }
}
