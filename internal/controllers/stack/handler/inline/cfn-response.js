// Answers CloudFormation's request to a custom resource.
'use strict';
const https = require('node:https');

exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = (event, context, responseStatus, responseData, physicalResourceId, noEcho) => {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: 'See the details in CloudWatch Log Stream: ' + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  console.log('Response body: ' + body);
  return new Promise((resolve) => {
    const done = (said) => {
      console.log(said);
      context.done();
      resolve();
    };
    const request = https.request(event.ResponseURL, {
      method: 'PUT', headers: { 'Content-Type': '', 'Content-Length': Buffer.byteLength(body) },
    }, (response) => {
      response.resume();
      response.on('end', () => done('Status code: ' + response.statusCode));
    });
    request.on('error', (error) => done('send(..) failed executing the request: ' + error));
    request.end(body);
  });
};
