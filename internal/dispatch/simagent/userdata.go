package simagent

import (
	"encoding/base64"
	"regexp"

	"berth/internal/model"
)

// named is where user data say which cluster the agent is to join: a line of
// the agent's configuration, wherever it stands in a script.
var named = regexp.MustCompile(`\bECS_CLUSTER\s*=\s*["']?([A-Za-z0-9_-]+)`)

// signals is where a script calls cfn-signal, with the rest of the line.
var signals = regexp.MustCompile(`(?m)\bcfn-signal\b(.*)$`)

// optionOf finds options of cfn-signal.
var optionOf = map[string]*regexp.Regexp{
	"stack": regexp.MustCompile(`--stack[ =]+["']?([^\s"']+)`), "resource": regexp.MustCompile(`--resource[ =]+["']?([^\s"']+)`),
	"exit": regexp.MustCompile(`(?:-e|--exit-code)[ =]+["']?(\d+)`),
}

// clusterOf is the cluster that an instance's agent joins: a managed instance's
// own, and of others what their user data say. Nobody runs these in a simulated
// machine.
func clusterOf(i model.Instance) string {
	if i.Kind != model.KindEC2 || i.Launch == nil {
		return i.Cluster
	}
	if m := named.FindSubmatch(userData(i)); m != nil {
		return string(m[1])
	}
	return ""
}

func userData(i model.Instance) []byte {
	if i.Launch == nil {
		return nil
	}
	text, err := base64.StdEncoding.DecodeString(i.Launch.UserData)
	if err != nil {
		return nil
	}
	return text
}

// signalOf is the call that the first cfn-signal of an instance's user data
// makes; nil if there is none. A script that tells $? has gone well.
func signalOf(i model.Instance) map[string]any {
	line := signals.FindSubmatch(userData(i))
	if line == nil {
		return nil
	}
	value := func(name string) string {
		if m := optionOf[name].FindSubmatch(line[1]); m != nil {
			return string(m[1])
		}
		return ""
	}
	status := model.SignalSuccess
	if e := value("exit"); e != "" && e != "0" {
		status = model.SignalFailure
	}
	return map[string]any{
		"StackName": value("stack"), "LogicalResourceId": value("resource"), "UniqueId": i.ID, "Status": string(status),
	}
}
