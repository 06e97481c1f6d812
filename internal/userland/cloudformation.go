package userland

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/wire"
)

// options are what the helper scripts of CloudFormation are told.
type options struct {
	values map[string]string // by long name
	rest   []string
}

// aliases are the short names of options.
var aliases = map[string]string{
	"-e": "exit-code", "-s": "success", "-r": "reason", "-i": "id", "-d": "data", "-u": "url",
	"-c": "configsets", "-v": "verbose", "-k": "key",
}

// noValue are the options that take no value.
var noValue = []string{"verbose", "resume"}

// readOptions reads a command line; renamed are short names that mean another
// thing in this command. An option that is not known is an error.
func readOptions(args []string, renamed map[string]string, known ...string) (options, error) {
	o := options{values: map[string]string{}}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			o.rest = append(o.rest, args[i])
			continue
		}
		long := cmp.Or(renamed[name], aliases[name], strings.TrimPrefix(name, "--"))
		if !slices.Contains(known, long) {
			return o, fault.New(fault.Invalid, "", "no such option: %s", name)
		}
		if !given && !slices.Contains(noValue, long) {
			if i++; i == len(args) {
				return o, fault.New(fault.Invalid, "", "%s option requires an argument", name)
			}
			value = args[i]
		}
		o.values[long] = value
	}
	return o, nil
}

// signal is cfn-signal: it tells a stack that waits for it, or a wait condition's
// address, how the instance's start went.
func signal(ctx context.Context, w *world, name string, args []string) int {
	o, err := readOptions(args, nil, "exit-code", "success", "reason", "id", "data", "url", "stack", "resource", "region")
	if err != nil {
		return w.fail(2, "Usage: cfn-signal [options] [WaitConditionHandle URL]\n\ncfn-signal: error: %s", fault.MessageOf(err))
	}
	status := "SUCCESS"
	if code := cmp.Or(o.values["exit-code"], "0"); code != "0" || o.values["success"] == "false" {
		status = "FAILURE"
	}
	id, err := w.ask(ctx, "/latest/meta-data/instance-id")
	if err != nil {
		return w.fail(1, "%s: %v", name, err)
	}
	id = cmp.Or(o.values["id"], id)
	if len(o.rest) > 0 {
		err = w.signalHandle(ctx, o, status, id)
	} else if o.values["stack"] == "" || o.values["resource"] == "" {
		return w.fail(1, "Error: Must specify either a WaitConditionHandle URL or a stack name and a logical resource id")
	} else {
		_, err = w.call(ctx, o, "SignalResource", url.Values{
			"StackName": {o.values["stack"]}, "LogicalResourceId": {o.values["resource"]}, "UniqueId": {id}, "Status": {status},
		})
	}
	if err != nil {
		return w.fail(1, "%s", textOf(err))
	}
	return 0
}

// textOf is an error as the helper scripts print it.
func textOf(err error) string {
	if code := fault.CodeOf(err); code != "" {
		return code + ": " + fault.MessageOf(err)
	}
	return err.Error()
}

// signalHandle puts the answer that a wait condition waits for to its address.
func (w *world) signalHandle(ctx context.Context, o options, status, id string) error {
	body, err := json.Marshal(map[string]string{
		"Status": status, "Reason": cmp.Or(o.values["reason"], o.rest1(), "Configuration Complete"), "UniqueId": id, "Data": o.values["data"],
	})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, o.rest[0], bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.Invalid, "", "%s answered %s", r.URL.Host, resp.Status)
	}
	return nil
}

// rest1 is the second of the words that are no options.
func (o options) rest1() string {
	if len(o.rest) > 1 {
		return o.rest[1]
	}
	return ""
}

// call calls CloudFormation by the keys of the instance's role.
func (w *world) call(ctx context.Context, o options, operation string, in url.Values) ([]byte, error) {
	region := cmp.Or(o.values["region"], "us-east-1") // as AWS's
	k, err := w.keys(ctx)
	if err != nil {
		return nil, err
	}
	in.Set("Action", operation)
	in.Set("Version", "2010-05-15")
	body := []byte(in.Encode())
	at := cmp.Or(o.values["url"], "https://cloudformation."+region+".amazonaws.com/")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	wire.Sign(r, body, k, region, "cloudformation", w.clock.Now())
	resp, err := w.http.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "call CloudFormation")
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "call CloudFormation")
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp, b)
	}
	return b, nil
}

// refusal reads an error answer of the query protocol.
func refusal(resp *http.Response, body []byte) error {
	var e struct {
		Error struct{ Code, Message string }
	}
	if xml.Unmarshal(body, &e) != nil || e.Error.Code == "" {
		return fault.New(fault.Unavailable, "", "CloudFormation answered %s", resp.Status)
	}
	return fault.New(fault.Invalid, e.Error.Code, "%s", e.Error.Message)
}

// metadataOf is the metadata of a stack's resource.
func (w *world) metadataOf(ctx context.Context, o options) (map[string]json.RawMessage, error) {
	b, err := w.call(ctx, o, "DescribeStackResource", url.Values{
		"StackName": {o.values["stack"]}, "LogicalResourceId": {o.values["resource"]},
	})
	if err != nil {
		return nil, err
	}
	var out struct {
		Metadata string `xml:"DescribeStackResourceResult>StackResourceDetail>Metadata"`
	}
	if err := xml.Unmarshal(b, &out); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the answer of DescribeStackResource")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(cmp.Or(out.Metadata, "{}")), &m); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the metadata of %s", o.values["resource"])
	}
	return m, nil
}

// ofResource are the options that say which resource's metadata are meant.
var ofResource = map[string]string{"-s": "stack", "-r": "resource"}

// lacksResource refuses options that do not name one.
func (o options) lacksResource() error {
	if o.values["stack"] == "" || o.values["resource"] == "" {
		return fault.New(fault.Invalid, "", "You must specify a stack name and a logical resource id")
	}
	return nil
}

// cfnMetadata is cfn-get-metadata: it prints them, or what is below a key.
func cfnMetadata(ctx context.Context, w *world, name string, args []string) int {
	o, err := readOptions(args, ofResource, "stack", "resource", "region", "url", "key")
	if err = cmp.Or(err, o.lacksResource()); err != nil {
		return w.fail(2, "Usage: cfn-get-metadata --stack NAME --resource ID\n\ncfn-get-metadata: error: %s", fault.MessageOf(err))
	}
	m, err := w.metadataOf(ctx, o)
	if err != nil {
		return w.fail(1, "%s", textOf(err))
	}
	var show any = m
	if k := o.values["key"]; k != "" {
		show = m[k]
	}
	b, err := json.MarshalIndent(show, "", "    ")
	if err != nil {
		return w.fail(1, "%s: %v", name, err)
	}
	w.say("%s", b)
	return 0
}

// number reads a whole number in some base; texts that are none are 0.
func number(s string, base int) int64 {
	n, _ := strconv.ParseInt(s, base, 64)
	return n
}
