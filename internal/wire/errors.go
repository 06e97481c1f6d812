package wire

import (
	"cmp"
	"errors"
	"net/http"

	"berth/internal/fault"
)

// problem is an error as a client is told it.
type problem struct {
	code    string // the wire's code
	shape   string // the model's name for it
	message string
	member  string // member that carries the message
	status  int
	sender  bool
}

// unknownFailure is what AWS says when it will not say more.
const unknownFailure = "The request processing has failed because of an unknown error, exception or failure."

// problemOf chooses code, status and text. The code is the error's own, else
// the family's for its class; the status is the model's, else the class's.
func (s *Service) problemOf(p Protocol, err error) problem {
	class := fault.ClassOf(err)
	out := problem{code: fault.CodeOf(err), message: fault.MessageOf(err), member: "message", sender: true}
	var f *fault.Error
	if !errors.As(err, &f) || class == fault.Internal && f.Code == "" {
		out.message = unknownFailure
	}
	if out.code == "" {
		out.code = s.classCode(p, class)
	}
	if out.code == "InvalidAction" && class == fault.NotImplemented {
		class = fault.Invalid // to a client an operation that is not built is one that there is not
	}
	if out.code == entityTooLarge {
		out.status = http.StatusRequestEntityTooLarge
	}
	if p == EC2 {
		out.ofEC2()
	}
	out.code = s.spelled(p, out.code)
	if out.code == "UnauthorizedOperation" && fault.FactsOf(err) != nil { // IAM's own words
		out.message = "You are not authorized to perform this operation. " + out.message
	}
	out.shape, out.status = out.code, cmp.Or(out.status, classStatus(p, class))
	if e, ok := s.Error(out.code); ok {
		out.shape, out.status, out.member = e.Shape, e.Status, e.Message
		if p == Query || p == EC2 || p == RESTXML {
			out.code = e.Code
		}
	}
	out.sender = out.status < http.StatusInternalServerError
	return out
}

// ofEC2 says in EC2's words who was not let in, which are fewer than the other
// services'. What is wrong with a credential's scope is told nevertheless: which
// Region this is.
func (e *problem) ofEC2() {
	switch e.code {
	case "MissingAuthentication":
		e.code, e.message, e.status = "MissingParameter", "The request must contain the parameter AWSAccessKeyId", http.StatusBadRequest
	case "InvalidClientTokenId", "SignatureDoesNotMatch":
		e.code, e.message = "AuthFailure", "AWS was not able to validate the provided access credentials"
		e.status = http.StatusUnauthorized
	case "CredentialScope":
		e.status = http.StatusUnauthorized
	case "ExpiredToken", "RequestExpired":
		e.code, e.message, e.status = "RequestExpired", "Request has expired.", http.StatusBadRequest
	default:
	}
}

func (s *Service) classCode(p Protocol, c fault.Class) string {
	xml := p == Query || p == EC2 || p == RESTXML
	switch c {
	case fault.Unavailable:
		return either(xml, "ServiceUnavailable", "ServiceUnavailableException")
	case fault.Throttled:
		return either(p == EC2, "RequestLimitExceeded", either(xml, "Throttling", "ThrottlingException"))
	case fault.Conflict:
		return either(xml, "ResourceConflict", "ConflictException")
	case fault.NotFound:
		return either(xml, "ResourceNotFound", "ResourceNotFoundException")
	case fault.Invalid:
		return s.invalidCode(nil)
	case fault.Denied:
		return "AccessDenied"
	case fault.NotImplemented:
		return "NotImplemented"
	case fault.Capacity:
		return either(p == EC2, "InsufficientInstanceCapacity", "CapacityException")
	default:
		return "InternalFailure"
	}
}

func either[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

// entityTooLarge is the code of a body that is too large; it has a status of
// its own.
const entityTooLarge = "RequestEntityTooLarge"

// spellings are the codes that every service shares, by protocol family:
// JSON and REST, query, EC2.
var spellings = map[string][3]string{
	"AccessDenied":           {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"},
	"InvalidClientTokenId":   {"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"},
	"SignatureDoesNotMatch":  {"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
	"CredentialScope":        {"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"},
	"ExpiredToken":           {"ExpiredTokenException", "ExpiredToken", "RequestExpired"},
	"IncompleteSignature":    {"IncompleteSignatureException", "IncompleteSignature", "IncompleteSignature"},
	"MissingAuthentication":  {"MissingAuthenticationTokenException", "MissingAuthenticationToken", "MissingAuthenticationToken"},
	"InvalidAction":          {"UnknownOperationException", "InvalidAction", "InvalidAction"},
	"SerializationException": {"SerializationException", "MalformedInput", "InvalidParameterValue"},
	entityTooLarge:           {"RequestEntityTooLargeException", entityTooLarge, entityTooLarge},
}

func (s *Service) spelled(p Protocol, code string) string {
	forms, ok := spellings[code]
	if !ok {
		return code
	}
	switch p {
	case Query, RESTXML:
		return forms[1]
	case EC2:
		return forms[2]
	default:
		return forms[0]
	}
}

func classStatus(p Protocol, c fault.Class) int {
	switch c {
	case fault.Internal:
		return http.StatusInternalServerError
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.NotImplemented:
		return http.StatusNotImplemented
	case fault.Denied:
		return either(p == JSON || p == CBOR, http.StatusBadRequest, http.StatusForbidden)
	case fault.NotFound:
		return either(p == RESTJSON || p == RESTXML, http.StatusNotFound, http.StatusBadRequest)
	case fault.Conflict:
		return either(p == RESTJSON || p == RESTXML, http.StatusConflict, http.StatusBadRequest)
	case fault.Throttled:
		return either(p == RESTJSON, http.StatusTooManyRequests, either(p == EC2, http.StatusServiceUnavailable, http.StatusBadRequest))
	case fault.Capacity:
		return either(p == EC2, http.StatusInternalServerError, http.StatusBadRequest)
	default:
		return http.StatusBadRequest
	}
}

// CodeOf is the code that EncodeError sends.
func (s *Service) CodeOf(p Protocol, err error) string { return s.problemOf(p, err).code }

// EncodeError writes an error as the protocol does. It also returns the code
// that was sent, for logs and counters.
func (s *Service) EncodeError(p Protocol, err error, requestID string) (*Response, string) {
	e := s.problemOf(p, err)
	r := &Response{Status: e.status, Header: http.Header{}}
	r.Header.Set("x-amzn-RequestId", requestID)
	switch p {
	case Query:
		s.queryError(r, e, requestID)
	case EC2:
		ec2Error(r, e, requestID)
	case RESTXML:
		restXMLError(r, e, requestID)
	case CBOR:
		s.cborError(r, e)
	default:
		s.jsonError(p, r, e)
	}
	return r, e.code
}

func (s *Service) jsonError(p Protocol, r *Response, e problem) {
	r.Header.Set("Content-Type", either(p == JSON, "application/x-amz-json-"+s.jsonVersion(), "application/json"))
	b := append([]byte{}, '{')
	if p == JSON {
		s.queryHeader(r, e)
		b = append(appendString(append(b, `"__type":`...), e.shape), ',')
	} else {
		r.Header.Set("x-amzn-ErrorType", e.shape)
		b = append(b, `"Type":"`+either(e.sender, "User", "Service")+`",`...)
	}
	b = append(appendString(b, e.member), ':')
	r.Body = append(appendString(b, e.message), '}')
}

func (s *Service) queryHeader(r *Response, e problem) {
	if s.QueryCompatible {
		code := e.code
		if m, ok := s.Error(e.code); ok {
			code = m.Code
		}
		r.Header.Set("x-amzn-query-error", code+";"+side(e))
	}
}

func side(e problem) string { return either(e.sender, "Sender", "Receiver") }

func (s *Service) queryError(r *Response, e problem, id string) {
	r.Header.Set("Content-Type", "text/xml")
	w := &xmlWriter{}
	w.b = append(append(appendXMLText(append(w.b, `<ErrorResponse xmlns="`...), s.Namespace), '"'), '>')
	w.open("Error")
	w.leaf("Type", side(e))
	w.leaf("Code", e.code)
	w.leaf("Message", e.message)
	w.close("Error")
	w.leaf("RequestId", id)
	w.close("ErrorResponse")
	r.Body = w.b
}

func ec2Error(r *Response, e problem, id string) {
	r.Header.Set("Content-Type", "text/xml;charset=UTF-8")
	w := &xmlWriter{b: []byte(xmlHead)}
	w.open("Response")
	w.open("Errors")
	w.open("Error")
	w.leaf("Code", e.code)
	w.leaf("Message", e.message)
	w.close("Error")
	w.close("Errors")
	w.leaf("RequestID", id)
	w.close("Response")
	r.Body = w.b
}

func restXMLError(r *Response, e problem, id string) {
	r.Header.Set("Content-Type", "application/xml")
	w := &xmlWriter{b: []byte(xmlHead)}
	w.open("Error")
	w.leaf("Code", e.code)
	w.leaf("Message", e.message)
	w.leaf("RequestId", id)
	w.close("Error")
	r.Body = w.b
}

func (s *Service) cborError(r *Response, e problem) {
	r.Header.Set("smithy-protocol", "rpc-v2-cbor")
	r.Header.Set("Content-Type", "application/cbor")
	s.queryHeader(r, e)
	b, err := cborEnc.Marshal(map[string]string{"__type": e.shape, "message": e.message})
	if err == nil {
		r.Body = b
	}
}
