"""The exceptions of the stand-in."""


class HTTPError(Exception):
    pass


class HTTPWarning(Warning):
    pass


class InsecureRequestWarning(HTTPWarning):
    pass


class URLSchemeUnknown(HTTPError, ValueError):
    pass


class PoolError(HTTPError):
    def __init__(self, pool, message):
        self.pool = pool
        super().__init__(f"{pool}: {message}")


class TimeoutError(HTTPError):
    pass


class ConnectTimeoutError(TimeoutError):
    def __init__(self, pool=None, message=""):
        super().__init__(message)


class ReadTimeoutError(TimeoutError):
    pass


class NewConnectionError(HTTPError):
    def __init__(self, pool, message):
        super().__init__(message)


class MaxRetryError(HTTPError):
    def __init__(self, pool, url, reason=None):
        self.pool, self.url, self.reason = pool, url, reason
        super().__init__(f"Max retries exceeded with url: {url} (Caused by {reason!r})")
