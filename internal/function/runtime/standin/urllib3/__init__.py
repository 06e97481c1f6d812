"""A stand-in for urllib3 on hosts that do not have it.

It has PoolManager with request(), Timeout, Retry as a counter, and the
exceptions that callers catch, on the standard library's http.client. Whatever
else urllib3 has is missing here and fails by name.
"""
import json as _json
import logging as _logging
import ssl as _ssl
import time as _time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode as _urlencode, urljoin as _urljoin, urlsplit as _urlsplit

from . import exceptions

__version__ = "0.berth"
_log = _logging.getLogger("urllib3.connectionpool")


class Timeout:
    def __init__(self, total=None, connect=None, read=None):
        self.total, self.connect, self.read = total, connect, read

    def seconds(self):
        given = [t for t in (self.total, self.connect, self.read) if t is not None]
        return min(given) if given else None


class Retry:
    def __init__(self, total=10, connect=None, read=None, redirect=None, backoff_factor=0):
        self.total, self.connect, self.read = total, connect, read
        self.redirect, self.backoff_factor = redirect, backoff_factor


class HTTPResponse:
    def __init__(self, response, data, url):
        self.status, self.reason, self.data = response.status, response.reason, data
        self.headers, self.version, self._url = response.headers, response.version, url

    def read(self, *_):
        data, self.data = self.data, b""
        return data

    def json(self):
        return _json.loads(self.data)

    def getheader(self, name, default=None):
        return self.headers.get(name, default)

    def geturl(self):
        return self._url

    def release_conn(self):
        pass


class PoolManager:
    def __init__(self, num_pools=10, headers=None, timeout=None, retries=None, cert_reqs=None, ca_certs=None, **_):
        self.headers, self.timeout, self.retries = dict(headers or {}), timeout, retries
        self.verify, self.ca_certs = cert_reqs not in ("CERT_NONE", _ssl.CERT_NONE), ca_certs
        self._seen = set()

    def request(self, method, url, fields=None, body=None, headers=None, timeout=None, retries=None,
                redirect=True, json=None, preload_content=True, **_):
        headers = dict(self.headers if headers is None else headers)
        if json is not None:
            body = _json.dumps(json).encode()
            headers.setdefault("Content-Type", "application/json")
        if fields and method.upper() in ("GET", "HEAD", "DELETE"):
            url += ("&" if "?" in url else "?") + _urlencode(fields)
        elif fields:
            body = _urlencode(fields).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        retries = self.retries if retries is None else retries
        left, pause = _attempts(retries)
        while True:
            try:
                response = self._once(method, url, body, headers, timeout or self.timeout)
            except (OSError, HTTPException) as error:
                if left <= 0:
                    raise self._failure(url, error, retries)
                left -= 1
                _log.warning("Retrying (Retry(total=%d, connect=None, read=None, redirect=None, status=None)) "
                             "after connection broken by '%r': %s", left, error, _urlsplit(url).path or "/")
                _time.sleep(pause)
                continue
            where = response.getheader("Location")
            if not (redirect and where and response.status in (301, 302, 303, 307, 308)):
                return response
            if left <= 0:
                raise exceptions.MaxRetryError(self, url, "too many redirects")
            left -= 1
            url = _urljoin(url, where)
            if response.status == 303 and method != "HEAD":
                method, body = "GET", None

    urlopen = request

    def _once(self, method, url, body, headers, timeout):
        parts = _urlsplit(url if "://" in url else "http://" + url)
        seconds = timeout.seconds() if isinstance(timeout, Timeout) else timeout
        kind, port = HTTPConnection, parts.port or 80
        extra = {}
        if parts.scheme == "https":
            kind, port = HTTPSConnection, parts.port or 443
            context = _ssl.create_default_context(cafile=self.ca_certs)
            if not self.verify:
                context.check_hostname, context.verify_mode = False, _ssl.CERT_NONE
            extra["context"] = context
        elif parts.scheme != "http":
            raise exceptions.URLSchemeUnknown(f"Not supported URL scheme {parts.scheme}")
        host = f"{parts.hostname}:{port}"
        if host not in self._seen:
            self._seen.add(host)
            _log.debug("Starting new %s connection (1): %s", parts.scheme.upper(), host)
        connection = kind(parts.hostname, port, timeout=seconds, **extra)
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        try:
            connection.request(method, path, body, headers)
            raw = connection.getresponse()
            data = raw.read()
        finally:
            connection.close()
        _log.debug('%s://%s:%s "%s %s HTTP/1.1" %s %s', parts.scheme, parts.hostname, port, method, path, raw.status, len(data))
        return HTTPResponse(raw, data, url)

    def _failure(self, url, error, retries):
        kind = exceptions.NewConnectionError
        if isinstance(error, TimeoutError):
            kind = exceptions.ConnectTimeoutError
        cause = kind(self, f"Failed to establish a new connection: {error}")
        if retries is False:
            return cause
        return exceptions.MaxRetryError(self, url, cause)

    def clear(self):
        self._seen.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def _attempts(retries):
    if retries is False:
        return 0, 0
    if retries is None or retries is True:
        return 3, 0
    if isinstance(retries, Retry):
        return retries.total or 0, retries.backoff_factor
    return int(retries), 0


_default = PoolManager()


def request(method, url, **options):
    return _default.request(method, url, **options)


def disable_warnings(*_):
    pass
