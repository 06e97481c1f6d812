"""Runs a Python handler against the Lambda Runtime API."""
import importlib
import importlib.util
import json
import logging
import os
import sys
import time
import traceback
from http.client import HTTPConnection

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime/"
NBSP = "\u00a0"
request_id = ""


def call(connection, method, path, body=None, headers=None):
    connection.request(method, BASE + path, body, headers or {})
    response = connection.getresponse()
    return response, response.read()


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self):
        self.cognito_identity_id = None
        self.cognito_identity_pool_id = None

    def __repr__(self):
        return (f"CognitoIdentity([cognito_identity_id={self.cognito_identity_id},"
                f"cognito_identity_pool_id={self.cognito_identity_pool_id}])")


class LambdaContext:
    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        self.tenant_id = None
        self.client_context = None
        raw = headers.get("Lambda-Runtime-Client-Context")
        if raw:
            self.client_context = json.loads(raw)
        self.identity = CognitoIdentity()
        self._deadline = int(headers.get("Lambda-Runtime-Deadline-Ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        names = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                 "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id")
        return "LambdaContext([" + ",".join(f"{n}={getattr(self, n)}" for n in names) + "])"


class LogHandler(logging.Handler):
    def emit(self, record):
        sys.stdout.write(self.format(record))
        sys.stdout.flush()


class LogFormatter(logging.Formatter):
    converter = time.gmtime

    def format(self, record):
        record.aws_request_id = request_id
        return super().format(record)


def set_up_logging():
    handler = LogHandler()
    formatter = LogFormatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
                             "%Y-%m-%dT%H:%M:%S")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL")
    if level:
        root.setLevel(level)


class Fault(Exception):
    """An error of the runtime's own kind."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind, self.trace = kind, trace or []


def load(handler):
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError:
        raise Fault("Runtime.MalformedHandlerName",
                    f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)")
    name = module_name.replace("/", ".")
    if name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict",
                    f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}",
                    [f'  File "{error.filename}" Line {error.lineno}\n{NBSP * 4}{error.text}'])
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")


def describe(error):
    """The error payload: own frames are of no interest to the user."""
    if isinstance(error, Fault):
        return {"errorMessage": str(error), "errorType": error.kind, "requestId": request_id, "stackTrace": error.trace}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    frames = [f for f in frames if not f.filename.startswith("<frozen importlib")]
    return {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id,
            "stackTrace": traceback.format_list(frames)}


def log_error(payload):
    """One log event: its lines are parted by carriage returns."""
    text = f"[ERROR] {payload['errorType']}: {payload['errorMessage']}"
    if payload["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(payload["stackTrace"])
    text = "\n".join(NBSP * (len(l) - len(l.lstrip(" "))) + l.lstrip(" ") for l in text.rstrip("\n").split("\n"))
    sys.stdout.write(text.replace("\n", "\r") + "\n")
    sys.stdout.flush()


def mark():
    """Tells the reader of our output that all of this call's lines have come."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.write("\x1e" + request_id + "\n")
            stream.flush()
        except Exception:
            pass


def to_json(value):
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")


def fail(connection, path, error):
    payload = describe(error)
    log_error(payload)
    mark()
    call(connection, "POST", path, json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace"),
         {"Lambda-Runtime-Function-Error-Type": payload["errorType"], "Content-Type": "application/json"})


def main():
    global request_id
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path.insert(0, task_root)
    sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "standin"))
    os.chdir(task_root)
    set_up_logging()
    host, _, port = API.partition(":")
    connection = HTTPConnection(host, int(port))
    try:
        handler = load(os.environ["_HANDLER"])
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fail(connection, "init/error", error)
        sys.exit(1)
    while True:
        response, body = call(connection, "GET", "invocation/next")
        if response.status != 200:
            sys.exit(1)
        headers = response.headers
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id") or ""
        path = f"invocation/{request_id}/"
        try:
            try:
                event = json.loads(body)
            except ValueError as error:
                raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")
            answer = to_json(handler(event, LambdaContext(headers)))
        except Exception as error:
            fail(connection, path + "error", error)
            continue
        mark()
        call(connection, "POST", path + "response", answer, {"Content-Type": "application/json"})


if __name__ == "__main__":
    main()
