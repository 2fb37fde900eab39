#!/usr/bin/env python3
"""Signs the golden requests of this directory, in place.

    sign.py          write the signatures
    sign.py --check  say whether they are right, and write nothing

What is signed with stands in "config". The exception is Telnyx, where only the public key stands there:
the private one is the constant SEED, which is for tests alone. For that one the package cryptography is needed;
the rest is the standard library.

A request whose "about" starts with "tampered" gets the signature of the first one in its file that has a body,
one that starts with "unsigned" is left alone.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import sys
from urllib.parse import parse_qsl, quote_plus, urlencode

HERE = pathlib.Path(__file__).resolve().parent
SEED = bytes(range(32))
NOT_BEFORE = 1767225600  # 2026-01-01
EXPIRES = 4102444800  # 2100-01-01


def mac(secret, text, algorithm):
    data = text if isinstance(text, bytes) else text.encode()
    return hmac.new(secret.encode(), data, algorithm)


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def fields(body):
    return parse_qsl(body, keep_blank_values=True)


def url(request):
    return request["public_url"] + request["target"]


def is_json(request):
    return "json" in request["headers"].get("content-type", "")


def twilio(header):
    def sign(secret, request):
        if "bodySHA256=" in request["target"]:
            digest = hashlib.sha256(request["body"].encode()).hexdigest()
            request["target"] = re.sub(r"bodySHA256=[0-9a-f]*", "bodySHA256=" + digest, request["target"])
        signed = url(request)
        if not is_json(request):
            # The same name with the same value counts once.
            signed += "".join(name + value for name, value in sorted(set(fields(request["body"]))))
        request["headers"][header] = b64(mac(secret, signed, "sha1").digest())

    return sign


def telnyx(_secret, request):
    signed = f"{request['headers']['telnyx-timestamp']}|{request['body']}"
    request["headers"]["telnyx-signature-ed25519"] = b64(telnyx_key().sign(signed.encode()))


def telnyx_key():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(SEED)


def telnyx_public():
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return b64(telnyx_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def plivo(secret, request):
    address, _, query = url(request).partition("?")
    pairs = "".join(name + value for name, value in sorted(fields(request["body"])))
    query = "&".join(sorted(query.split("&"))) + "." if query else ""
    signed = f"{address}?{query}{pairs}.{request['headers']['x-plivo-signature-v3-nonce']}"
    request["headers"]["x-plivo-signature-v3"] = b64(mac(secret, signed, "sha256").digest())


def vonage(secret, request):
    def signature(pairs):
        clean = ((name, re.sub("[&=]", "_", value)) for name, value in sorted(pairs) if name != "sig")
        signed = "".join(f"&{name}={value}" for name, value in clean)
        return mac(secret, signed, "sha256").hexdigest().upper()

    if is_json(request):
        document = json.loads(request["body"])
        document.pop("sig", None)
        document["sig"] = signature(document.items())
        request["body"] = json.dumps(document, ensure_ascii=False)
    elif request["method"] == "GET":
        path, _, query = re.sub(r"&sig=[0-9A-F]*", "", request["target"]).partition("?")
        request["target"] = f"{path}?{query}&sig={signature(fields(query))}"
    else:
        body = re.sub(r"&sig=[0-9A-F]*", "", request["body"])
        request["body"] = f"{body}&sig={signature(fields(body))}"


def vonage_copy(request, other):
    """The signature of another request, into a form."""
    found = re.search(r"&sig=[0-9A-F]*", other["body"]).group()
    request["body"] = re.sub(r"&sig=[0-9A-F]*", "", request["body"]) + found


def zadarma(secret, request):
    result = dict(fields(request["body"]))["result"]
    request["headers"]["signature"] = b64(mac(secret, result, "sha1").hexdigest().encode())


def zadarma_send(secret, user, send):
    """Sorted parameters in PHP's urlencode, with the path before and their MD5 behind."""
    request = send["request"]
    query = urlencode(sorted(request["form"].items()), quote_via=php)
    signed = request["target"] + query + hashlib.md5(query.encode()).hexdigest()
    request["headers"]["authorization"] = f"{user}:{b64(mac(secret, signed, 'sha1').hexdigest().encode())}"


def php(text, *_):
    return quote_plus(text, safe="").replace("~", "%7E")


def messagebird(secret, request):
    claims = {
        "iss": "MessageBird",
        "nbf": NOT_BEFORE,
        "exp": EXPIRES,
        "jti": "a7d1c9b6-1158-41e6-bb4e-26a732fd0877",
        "url_hash": hashlib.sha256(url(request).encode()).hexdigest(),
    }
    if request["body"]:
        claims["payload_hash"] = hashlib.sha256(request["body"].encode()).hexdigest()
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    signed = ".".join(b64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    token = f"{signed}.{b64url(mac(secret, signed, 'sha256').digest())}"
    request["headers"]["messagebird-signature-jwt"] = token


def keyed(header, algorithm="sha256", prefix=""):
    """A keyed hash over the body."""

    def sign(secret, request):
        request["headers"][header] = prefix + mac(secret, request["body"], algorithm).hexdigest()

    return sign, header


SCHEMES = {
    "gowa": keyed("x-hub-signature-256", prefix="sha256="),
    "messagebird": (messagebird, "messagebird-signature-jwt"),
    "plivo": (plivo, "x-plivo-signature-v3"),
    "sak": keyed("x-webhook-signature", prefix="sha256="),
    "signalwire": (twilio("x-signalwire-signature"), "x-signalwire-signature"),
    "telnyx": (telnyx, "telnyx-signature-ed25519"),
    "twilio": (twilio("x-twilio-signature"), "x-twilio-signature"),
    "vonage": (vonage, None),
    # The key and one of the requests are published, with the signature:
    # https://waha.devlike.pro/docs/how-to/events/#hmac-authentication
    "waha": keyed("x-webhook-hmac", "sha512"),
    "whatsapp": keyed("x-hub-signature-256", prefix="sha256="),
    "whatsapp-template": keyed("x-hub-signature-256", prefix="sha256="),
    "wuzapi": keyed("x-hmac-signature"),
    "zadarma": (zadarma, "signature"),
}


def signed(name, golden):
    """The golden data of a provider with its signatures."""
    if name not in SCHEMES:
        return golden
    sign, header = SCHEMES[name]
    websms, websmsd = (dict(golden["config"][section]) for section in ("websms", "websmsd"))
    if name == "telnyx":
        pairs = golden["config"]["websmsd"]
        public = telnyx_public()
        golden["config"]["websmsd"] = [[key, public if key == "auth_secret" else value] for key, value in pairs]
    if name == "zadarma":
        for send in golden["send"]:
            zadarma_send(websms["auth_secret"], websms["auth_user"], send)
    requests = golden["webhooks"] + golden["receipts"]
    first = next(request for request in requests if request["body"])
    for request in requests:
        about = request["about"]
        is_challenge = "zd_echo" in request["target"] or "hub.challenge" in request["target"]
        if about.startswith("unsigned") or is_challenge:
            continue
        if not about.startswith("tampered"):
            sign(websmsd["auth_secret"], request)
        elif header is None:
            vonage_copy(request, first)
        else:
            request["headers"][header] = first["headers"][header]
    return golden


def main():
    wrong = []
    for path in sorted(HERE.glob("*.json")):
        before = path.read_text(encoding="utf-8")
        after = json.dumps(signed(path.stem, json.loads(before)), ensure_ascii=False, indent=2) + "\n"
        if before == after:
            continue
        wrong.append(path.name)
        if "--check" not in sys.argv[1:]:
            path.write_text(after, encoding="utf-8")
    for name in wrong:
        print(name)
    return 1 if wrong and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
