"""Answers CloudFormation's request to a custom resource."""
import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    answer = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    answer["Status"] = responseStatus
    answer["Reason"] = reason or "See the details in CloudWatch Log Stream: " + context.log_stream_name
    answer["PhysicalResourceId"] = physicalResourceId or context.log_stream_name
    answer["NoEcho"] = noEcho
    answer["Data"] = responseData
    body = json.dumps(answer).encode()
    print("Response body:", body.decode())
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})
    try:
        with urllib.request.urlopen(request) as response:
            print("Status code:", response.status)
    except Exception as error:
        print("send(..) failed executing the request:", error)
