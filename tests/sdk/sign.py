#!/usr/bin/env python3
"""Sign provider requests with the providers' own SDKs.

Reads one JSON object per line on stdin, writes one JSON object per line on
stdout (flushed, so that it can be used as a co-process). See SCHEMES at the
end for the names; a request is

    {"scheme": ..., "secret": ..., "url": ..., "method": "POST",
     "content_type": ..., "body": "...", "params": {...}, "now": 1700000000}

`body` is the raw body; with a form body `params` (values: string or list of
strings) may be given instead, the body is made of them then. `now` is the
time of signing and `at` the time at which the SDK verifies (default: now).
The answer is

    {"headers": {...}, "body": "...", "url": "...", "verified": true}

`verified` says what the SDK's own verification made of it: true, false (and
then `reason`), or null when there is no SDK that can verify it. Anything that
goes wrong gives {"error": "..."}. An `id` in a request is handed back.

Further keys: `algorithm` (twilio, vonage, messagebird), `nonce` (plivo),
`sign_url` (twilio, plivo, messagebird: the URL that is signed, when it is not
the one that is verified), `sig_case` (vonage: "upper"), `claims` (vonage-jwt,
messagebird: claims that are added; null takes one away).
"""

import base64
import contextlib
import datetime
import hashlib
import hmac
import importlib
import json
import sys
import time
import uuid
import warnings
from unittest import mock
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

FORM = "application/x-www-form-urlencoded"


# --- what the schemes share ------------------------------------------------


class Multi:
    """A parameter list as web frameworks have it: a name may be repeated."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return (name for name, _ in self.pairs)

    def __len__(self):
        return len(self.pairs)

    def getall(self, name):
        return [value for key, value in self.pairs if key == name]


class Request:
    def __init__(self, line):
        self.line = line
        self.secret = line.get("secret", "")
        self.url = line.get("url", "")
        self.method = line.get("method", "POST").upper()
        self.content_type = line.get("content_type")
        self.now = int(line["now"]) if line.get("now") is not None else int(time.time())
        self.at = float(line["at"]) if line.get("at") is not None else float(self.now)
        self.body = line.get("body")
        params = line.get("params")
        if self.content_type is None:
            json_body = (self.body or "").lstrip()[:1] in ("{", "[")
            self.content_type = "application/json" if json_body else FORM
        if params is not None and self.body is None and self.method != "GET":
            if self.is_form():
                self.body = urlencode(listed(params))
            else:
                self.body = json.dumps(params, separators=(",", ":"))
        elif params is not None and self.method == "GET":
            self.url = add_query(self.url, listed(params))
        self.body = self.body or ""
        self.sign_url = line.get("sign_url") or self.url

    def is_form(self):
        return self.content_type.partition(";")[0].strip().lower() == FORM

    def is_json(self):
        kind = self.content_type.partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")

    def form(self):
        """The parameters of the body, in their order, empty ones too."""
        return pairs_of(self.body) if self.is_form() else []

    def need(self, *names):
        for name in names:
            if not getattr(self, name):
                raise ValueError(f"{name} is missing")


def listed(params):
    """{"a": "1", "b": ["2", "3"]} as a list of pairs."""
    pairs = []
    for name, value in params.items():
        for one in value if isinstance(value, list) else [value]:
            pairs.append((name, one if isinstance(one, str) else json.dumps(one)))
    return pairs


def pairs_of(text):
    return parse_qsl(text, keep_blank_values=True, max_num_fields=None)


def add_query(url, pairs):
    if not pairs:
        return url
    url, hash_mark, fragment = url.partition("#")
    separator = "&" if "?" in url else "?"
    return url + separator + urlencode(pairs, quote_via=quote) + hash_mark + fragment


@contextlib.contextmanager
def clock(at):
    """The SDKs ask the clock when they verify: make it `at`."""

    class Datetime(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(at, tz)

    jwt = importlib.import_module("jwt.api_jwt")
    with mock.patch("time.time", lambda: at), mock.patch.object(jwt, "datetime", Datetime):
        yield


def verdict(request, check):
    """Run the SDK's verification: (accepted, reason)."""
    try:
        with clock(request.at):
            accepted = check()
        return bool(accepted), None if accepted else "does not match"
    except Exception as error:  # SDKs refuse by all kinds of exceptions
        return False, f"{type(error).__name__}: {error}"


def answer(request, headers, verified, body=None, url=None, **more):
    accepted, reason = verified
    result = {
        "headers": {"Content-Type": request.content_type, **headers},
        "body": request.body if body is None else body,
        "url": request.url if url is None else url,
        "verified": accepted,
        **more,
    }
    if request.method == "GET":
        del result["headers"]["Content-Type"]
    if reason:
        result["reason"] = reason
    return result


# --- the schemes -----------------------------------------------------------


def twilio(request):
    from twilio.request_validator import RequestValidator

    request.need("secret", "url")
    validator = RequestValidator(request.secret)
    algorithm = request.line.get("algorithm", "HMAC_SHA1")
    url, sign_url, more = request.url, request.sign_url, {}
    if request.method == "GET":
        params = signed = {}
    elif request.is_form():
        params = signed = Multi(request.form())
    else:
        params, signed = request.body, {}
        if "bodySHA256=" not in url:
            digest = [("bodySHA256", validator.compute_hash(request.body))]
            url, sign_url = add_query(url, digest), add_query(sign_url, digest)
    if algorithm == "HMAC_SHA1":
        signature = validator.compute_signature(sign_url, signed)
        check = lambda: validator.validate(url, params, signature)
        headers = {}
    else:  # a webhook shared key; the algorithm is named in a header
        from twilio import request_validator as sdk

        key = request.line.get("key", "webhooks_sharedkey_0123456789abcdefghijklmnop")
        settings = f"key={key},algorithm={algorithm}"
        signature = validator.compute_signature(sign_url, signed, algorithm)
        named = sdk.get_signature_algorithm(settings)
        check = lambda: validator.validate(url, params, signature, named)
        headers = {sdk.SIGNATURE_SETTINGS_HEADER: settings}
    headers["X-Twilio-Signature"] = signature
    return answer(request, headers, verdict(request, check), url=url)


def plivo(request):
    from plivo.utils import validate_signature

    request.need("secret", "url")
    nonce = request.line.get("nonce") or str(uuid.uuid4().int % 10**20)
    # The SDK only verifies: signed by hand over scheme, host and path.
    scheme, host, path, _, _ = urlsplit(request.sign_url)
    text = urlunsplit((scheme, host, path, "", "")) + nonce
    digest = hmac.new(request.secret.encode(), text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    check = lambda: validate_signature(request.url, nonce, signature, request.secret)
    headers = {"X-Plivo-Signature-V2": signature, "X-Plivo-Signature-V2-Nonce": nonce}
    return answer(request, headers, verdict(request, check))


def vonage(request):
    """Signed webhooks of the SMS API: the parameter sig."""
    request.need("secret")
    algorithm = request.line.get("algorithm", "sha256")
    if algorithm == "md5hash":  # vonage 4 cannot; the SDK's older name can
        import nexmo

        def client():
            return nexmo.Client(key="key", secret="x", signature_secret=request.secret)

        sign = lambda params: client().signature(params)
        verify = lambda params: client().check_signature(params)
    else:
        from vonage_http_client.auth import Auth

        auth = Auth(api_key="key", signature_secret=request.secret, signature_method=algorithm)
        sign, verify = auth.sign_params, auth.check_signature

    if request.method == "GET":
        pairs = pairs_of(urlsplit(request.url).query)
    elif request.is_json():
        pairs = list(json.loads(request.body).items())
    else:
        pairs = request.form()
    params = dict(pairs)
    params.pop("sig", None)
    added = []
    if not params.get("timestamp"):  # the SDK would put its own clock there
        added.append(("timestamp", str(request.now)))
    params.update(added)
    signature = sign(dict(params))
    if request.line.get("sig_case") == "upper":
        signature = signature.upper()
    added.append(("sig", signature))
    verified = verdict(request, lambda: verify({**params, "sig": signature}))
    body, url = request.body, request.url
    if request.method == "GET":
        url = add_query(url, added)
    elif request.is_json():
        body = json.dumps({**params, "sig": signature}, ensure_ascii=False, separators=(",", ":"))
    else:
        body = body + ("&" if body else "") + urlencode(added)
    return answer(request, {}, verified, body=body, url=url)


def make_jwt(request, claims, default):
    import jwt

    for name, value in request.line.get("claims", {}).items():
        claims[name] = value
    claims = {name: value for name, value in claims.items() if value is not None}
    algorithm = request.line.get("algorithm", default)
    return jwt.encode(claims, request.secret, algorithm=algorithm), claims


def vonage_jwt(request):
    """Signed webhooks of the Messages API."""
    from vonage_jwt import verify_signature

    request.need("secret")
    claims = {
        "iat": request.now,
        "jti": str(uuid.uuid4()),
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(request.body.encode()).hexdigest(),
        "api_key": "abcd1234",
        "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    }
    token, claims = make_jwt(request, claims, "HS256")
    verified = verdict(request, lambda: verify_signature(token, request.secret))
    return answer(request, {"Authorization": f"Bearer {token}"}, verified, claims=claims)


def messagebird(request):
    from messagebird.request_validator import RequestValidator

    request.need("secret", "url")
    body = request.body.encode()
    claims = {
        "iss": "MessageBird",
        "nbf": request.now,
        "exp": request.now + 60,
        "jti": str(uuid.uuid4()),
        "url_hash": hashlib.sha256(request.sign_url.encode()).hexdigest(),
        "payload_hash": hashlib.sha256(body).hexdigest() if body else None,
    }
    token, claims = make_jwt(request, claims, "HS256")
    validator = RequestValidator(request.secret)
    verified = verdict(request, lambda: validator.validate_signature(token, request.url, body))
    return answer(request, {"MessageBird-Signature-JWT": token}, verified, claims=claims)


def telnyx(request):
    from nacl.signing import SigningKey
    from telnyx.lib import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify_webhook_signature

    request.need("secret")
    key = SigningKey(base64.b64decode(request.secret)[:32])
    public = base64.b64encode(key.verify_key.encode()).decode()
    signed = f"{request.now}|{request.body}".encode()
    headers = {
        SIGNATURE_HEADER: base64.b64encode(key.sign(signed).signature).decode(),
        TIMESTAMP_HEADER: str(request.now),
    }

    def check():
        verify_webhook_signature(request.body, headers, public)
        if request.is_json():  # and as applications call it
            from telnyx import Telnyx

            webhooks = Telnyx(api_key="key", public_key=public).webhooks
            webhooks.unwrap(request.body, headers=headers)
            # What unwrap is unless telnyx.lib was imported: ed25519 as well
            # (whatever its name says), and stricter about base64 and time.
            webhooks._unwrap_hmac(request.body, headers=headers)
        return True

    return answer(request, headers, verdict(request, check))


def telnyx_key(_request):
    from nacl.signing import SigningKey

    key = SigningKey.generate()
    return {
        "public": base64.b64encode(key.verify_key.encode()).decode(),
        "private": base64.b64encode(key.encode()).decode(),
    }


def zadarma(request):
    """By hand: the official Python client is not on PyPI and verifies nothing."""
    request.need("secret")
    result = dict(request.form()).get("result")
    if result is None:
        raise ValueError("the body has no parameter result")
    digest = hmac.new(request.secret.encode(), result.encode(), hashlib.sha1).hexdigest()
    signature = base64.b64encode(digest.encode()).decode()
    return answer(request, {"Signature": signature}, (None, None))


SCHEMES = {
    "twilio": twilio,
    "plivo": plivo,
    "vonage": vonage,
    "vonage-jwt": vonage_jwt,
    "messagebird": messagebird,
    "telnyx": telnyx,
    "telnyx-key": telnyx_key,
    "zadarma": zadarma,
}


def handle(text):
    result = {}
    try:
        line = json.loads(text)
        if not isinstance(line, dict):
            raise ValueError("a request is a JSON object")
        if "id" in line:
            result["id"] = line["id"]
        scheme = SCHEMES.get(line.get("scheme"))
        if scheme is None:
            raise ValueError(f"scheme is one of {', '.join(SCHEMES)}")
        result.update(scheme(Request(line)))
    except Exception as error:
        result["error"] = f"{type(error).__name__}: {error}"
    return result


def main():
    warnings.simplefilter("ignore")  # short HMAC keys are meant here
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    # Whatever an SDK prints must not get between the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    for text in sys.stdin:
        if text.strip():
            out.write(json.dumps(handle(text)) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
