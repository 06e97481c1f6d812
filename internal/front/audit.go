package front

import (
	"log/slog"
	"strings"

	"berth/internal/audit"
	"berth/internal/fault"
	"berth/internal/wire"
)

// sources are the services whose name in CloudTrail is not their signing name.
var sources = map[string]string{"application-autoscaling": "autoscaling"}

// telemetry are the calls that CloudTrail takes for data and not for management;
// there are so many of them that they would push out what others did.
var telemetry = map[string]bool{"PutLogEvents": true, "PutMetricData": true}

// record writes an answered call into the audit log, if there is one. Of callers
// who were not let in nothing is written: they would push out what others did.
func (x *exchange) record(code string, err error) {
	if x.l.Audited && x.call.Principal.ARN != "" {
		x.f.record(&answered{call: x.call, served: x.to.served, op: x.to.op, in: x.in, out: x.out, code: code, err: err})
	}
}

// answered is a call and what came of it.
type answered struct {
	call    wire.Call
	served  *served
	op      *wire.Operation
	in, out any
	code    string // of the error
	err     error
}

// record writes a call into the audit log.
func (f *Front) record(a *answered) {
	if f.Audit == nil || a.op == nil || telemetry[a.op.Name] {
		return
	}
	source := a.op.Service.SigningName
	if s, ok := sources[source]; ok {
		source = s
	}
	c := a.call
	e := audit.Event{
		ID: f.IDs.UUID(), RequestID: c.RequestID, At: c.At, Source: source + ".amazonaws.com", Name: a.op.Name,
		Region: f.Place.Region, Account: f.Place.Account, Principal: c.Principal, AccessKey: c.AccessKey, From: c.Source, By: c.By,
		Agent: c.Agent, ReadOnly: reads(a.op.Name),
	}
	if a.err != nil {
		e.Code, e.Message = auditCode(a.op.Service, a.code), fault.MessageOf(a.err)
	}
	if a.in != nil {
		e.Parameters = a.op.InputMap(a.in)
		if arns, err := a.served.resources(f.Place, c.Principal, a.op, a.in); err == nil {
			e.Resources = arns
		}
	}
	if a.out != nil && !e.ReadOnly {
		e.Answer = a.op.ToMap(a.out)
	}
	if err := f.Audit.Append(e); err != nil {
		f.Log.Error("a call is not in the audit log", slog.Any("error", err), slog.String("request_id", c.RequestID))
	}
}

// auditCode is the code of an error as CloudTrail writes it: EC2's have a side
// before them, and who is denied reads the same in all services.
func auditCode(s *wire.Service, code string) string {
	switch {
	case s.Protocol() == wire.EC2 && (code == "InternalFailure" || code == "ServiceUnavailable" || code == "InsufficientInstanceCapacity"):
		return "Server." + code
	case s.Protocol() == wire.EC2:
		return "Client." + code
	case code == "AccessDeniedException":
		return "AccessDenied"
	default:
		return code
	}
}

// reads reports whether an operation changes nothing.
func reads(operation string) bool {
	for _, verb := range []string{
		"Describe", "List", "Get", "Lookup", "Batch", "Filter", "Simulate", "Validate", "Discover", "Estimate", "Check",
	} {
		if strings.HasPrefix(operation, verb) {
			return !strings.HasPrefix(operation, "BatchDelete")
		}
	}
	return false
}
