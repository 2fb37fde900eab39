#!/usr/bin/env python3
"""Has the providers' SDKs sign some requests and writes recorded.json, which
the tests of src/inbound/signature read. Run it where sign.py can run.

    record.py > recorded.json

Each request stands with what websmsd is configured to ask for, the time at
which it was signed and how many seconds later and earlier it is still good
(null: for ever).
"""

import base64
import hashlib
import hmac
import json
import warnings
from urllib.parse import urlencode

import sign

HOST = "https://sms.example.com"
NOW = 1700000000
TEXT = "Grüße ☺ a+b=c & 50 %\u00a0\"x\"; <y>"
SECRET = "c0ffee0123456789c0ffee0123456789"
# RFC 8032, section 7.1, test 1.
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

TWILIO = {
    "ToCountry": "US",
    "SmsStatus": "received",
    "Body": TEXT,
    "FromZip": "",
    "To": "+12025550183",
    "From": "+12025550160",
    "MessageSid": "SM0123456789abcdef0123456789abcdef",
    "X": ["2", "1", "2"],
}
VONAGE = {
    "msisdn": "12025550160",
    "to": "12025550183",
    "messageId": "0A0000000123ABCD1",
    "text": TEXT,
    "type": "unicode",
    "keyword": "",
}
JSON = json.dumps({"to": "12025550183", "from": "12025550160", "text": TEXT}, ensure_ascii=False, separators=(",", ":"))


def by_sdk(name, config, ask, secret=SECRET, target="/in", late=None, early=None):
    ask = {"secret": secret, "url": HOST + target, "now": NOW, **ask}
    answer = sign.handle(json.dumps(ask))
    assert answer.get("verified") is not False and "error" not in answer, (name, answer)
    headers = list(answer["headers"].items())
    return entry(name, config, secret, ask, answer["url"], headers, answer["body"], late, early)


def by_hand(name, config, headers, body=JSON, kind="application/json", target="/in", secret=SECRET, late=None, early=None, method="POST"):
    """For schemes of which there is no SDK, or no secret to sign with."""
    ask = {"method": method}
    headers = ([("Content-Type", kind)] if kind else []) + list(headers.items())
    return entry(name, config, secret, ask, HOST + target, headers, body, late, early)


def entry(name, config, secret, ask, url, headers, body, late, early):
    return {
        "name": name,
        "config": config,
        "secret": secret,
        "method": ask.get("method", "POST"),
        "target": url.removeprefix(HOST),
        "headers": [[name.lower(), value] for name, value in headers],
        "body": body,
        "now": NOW,
        "late": late,
        "early": early,
    }


def mac(text, digest):
    data = text if isinstance(text, bytes) else text.encode()
    return hmac.new(SECRET.encode(), data, digest)


def b64(data):
    return base64.b64encode(data).decode()


def tokens():
    basic = b64(f"websms:{SECRET}".encode())
    yield by_hand("basic", ["auth = basic", "auth_user = websms"], {"Authorization": f"Basic {basic}"})
    token = ["auth = token"]
    yield by_hand("token in header", [*token, "auth_place = header:X-Token"], {"X-Token": SECRET})
    yield by_hand("token in query", [*token, "auth_place = query:token"], {}, target=f"/in?a=1&token={SECRET}")
    yield by_hand("token in path", [*token, "auth_place = path", "request_uri = /in/{token}/x"], {}, target=f"/in/{SECRET}/x")
    body = urlencode({"To": "1", "token": SECRET})
    yield by_hand("token in field", [*token, "auth_place = field:token"], {}, body, sign.FORM)
    body = json.dumps({"To": "1", "token": SECRET}, separators=(",", ":"))
    yield by_hand("token in member", [*token, "auth_place = field:token"], {}, body)


def twilio():
    config = ["auth = twilio"]
    for name, ask, target in [
        ("form", {"params": TWILIO}, "/in"),
        ("form, url with query", {"params": TWILIO}, "/in?a=1&b=%2F"),
        ("form, webhook key", {"params": TWILIO, "algorithm": "HMAC_SHA256"}, "/in"),
        ("json", {"body": JSON}, "/in?a=1"),
        ("get", {"method": "GET", "params": TWILIO}, "/in"),
    ]:
        yield by_sdk(f"twilio {name}", config, {"scheme": "twilio", **ask}, target=target)
    for name, port, signed in [
        ("with the usual port", "", ":443"),
        ("without the usual port", ":443", ""),
        ("with another port", ":8443", ":8443"),
        ("without another port", ":8443", ""),
    ]:
        ask = {"scheme": "twilio", "params": TWILIO, "url": f"{HOST}{port}/in", "sign_url": f"{HOST}{signed}/in"}
        made = by_sdk(f"twilio signed {name}", [*config, f"public_url = {HOST}{port}"], ask)
        made["target"] = "/in"
        yield made


def hmacs():
    plivo = ["auth = hmac", "auth_encoding = base64", "auth_place = header:X-Plivo-Signature-V2"]
    plivo += ["auth_nonce = header:X-Plivo-Signature-V2-Nonce", "auth_template = {url_noquery}{nonce}"]
    ask = {"scheme": "plivo", "params": TWILIO, "nonce": "05429567804466091622"}
    yield by_sdk("plivo", plivo, ask, target="/in?a=1")

    zadarma = ["auth = hmac", "auth_algorithm = sha1", "auth_encoding = base64-hex"]
    zadarma += ["auth_place = header:Signature", "auth_template = {field:result}"]
    yield by_sdk("zadarma", zadarma, {"scheme": "zadarma", "params": {"result": JSON, "event": "SMS"}})

    prefix = ["auth = hmac", "auth_place = header:X-Hub-Signature-256", "auth_prefix = sha256="]
    yield by_hand("prefixed hex", prefix, {"X-Hub-Signature-256": "sha256=" + mac(JSON, "sha256").hexdigest()})

    for digest in ["md5", "sha1", "sha256", "sha512"]:
        config = ["auth = hmac", f"auth_algorithm = {digest}", "auth_place = header:X-Sign"]
        yield by_hand(f"hmac {digest}", config, {"X-Sign": mac(JSON, digest).hexdigest()})

    sinch = ["auth = hmac", "auth_encoding = base64", "auth_place = header:x-sinch-webhook-signature"]
    sinch += ["auth_template = {body}.{nonce}.{timestamp}", "auth_nonce = header:x-sinch-webhook-signature-nonce"]
    sinch += ["auth_timestamp = header:x-sinch-webhook-signature-timestamp"]
    nonce = "01FJA8B4A7BM43YGWSG9GBV067"
    headers = {
        "x-sinch-webhook-signature": b64(mac(f"{JSON}.{nonce}.{NOW}", "sha256").digest()),
        "x-sinch-webhook-signature-nonce": nonce,
        "x-sinch-webhook-signature-timestamp": str(NOW),
    }
    yield by_hand("sinch", sinch, headers, late=300, early=300)

    for name, template, start in [
        ("messagebird of old", r"{timestamp}\n\n{body_sha256}", f"{NOW}\n\n"),
        ("bird", r"{timestamp}\n{url}\n{body_sha256}", f"{NOW}\n{HOST}/in?a=1\n"),
    ]:
        config = ["auth = hmac", "auth_encoding = base64", "auth_place = header:MessageBird-Signature"]
        config += ["auth_timestamp = header:MessageBird-Request-Timestamp", f"auth_template = {template}"]
        signed = start.encode() + hashlib.sha256(JSON.encode()).digest()
        headers = {"MessageBird-Signature": b64(mac(signed, "sha256").digest()), "MessageBird-Request-Timestamp": str(NOW)}
        yield by_hand(name, config, headers, target="/in?a=1", late=300, early=300)

    config = ["auth = hmac", "auth_place = query:sign", "auth_template = {method} {url_noquery} {body_sha256_hex}"]
    signed = f"POST {HOST}/in {hashlib.sha256(JSON.encode()).hexdigest()}"
    yield by_hand("method and digest", config, {}, target="/in?sign=" + mac(signed, "sha256").hexdigest())
    config = ["auth = hmac", "method = GET", "auth_place = header:X-Sign", "auth_template = {url}{body}"]
    target = "/in?" + urlencode(VONAGE)
    yield by_hand("hmac get", config, {"X-Sign": mac(HOST + target, "sha256").hexdigest()}, "", None, target, method="GET")


def others():
    # The SDK takes the key in base64; we in hexadecimal digits as well.
    for name, public in [("base64", b64(bytes.fromhex(PUBLIC))), ("hex", PUBLIC)]:
        ask = {"scheme": "telnyx", "secret": b64(bytes.fromhex(SEED)), "body": JSON}
        made = by_sdk(f"telnyx {name}", ["auth = ed25519"], ask, late=300, early=300)
        made["secret"] = public
        yield made
    yield by_sdk("vonage jwt", ["auth = jwt"], {"scheme": "vonage-jwt", "body": JSON}, late=360, early=60)
    ask = {"scheme": "messagebird"}
    config = ["auth = jwt", "auth_place = header:MessageBird-Signature-JWT"]
    for algorithm in ["HS256", "HS384", "HS512"]:
        made = {**ask, "algorithm": algorithm, "body": JSON}
        yield by_sdk(f"messagebird jwt {algorithm}", config, made, target="/in?a=1", late=120, early=60)
    made = {**ask, "method": "GET"}
    yield by_sdk("messagebird jwt get", [*config, "method = GET"], made, target="/in?" + urlencode(VONAGE), late=120, early=60)
    for algorithm in ["md5hash", "md5", "sha1", "sha256", "sha512"]:
        config = ["auth = vonage", f"auth_algorithm = {algorithm}"]
        ask = {"scheme": "vonage", "algorithm": algorithm, "params": VONAGE}
        body = json.dumps(VONAGE, ensure_ascii=False)
        times = {"late": 300, "early": 300}
        yield by_sdk(f"vonage {algorithm} form", config, ask, **times)
        yield by_sdk(f"vonage {algorithm} json", config, {**ask, "params": None, "body": body}, **times)
        yield by_sdk(f"vonage {algorithm} get", config, {**ask, "method": "GET", "sig_case": "upper"}, **times)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # short HMAC keys are meant here
    made = [*tokens(), *twilio(), *hmacs(), *others()]
    print(json.dumps(made, indent=1, ensure_ascii=False))
