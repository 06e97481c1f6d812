package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// settings are what /etc/ecs/ecs.config of an instance of the user's own says, as
// far as this agent knows it.
type settings struct {
	Cluster    string            `json:"cluster,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	ReserveMiB int64             `json:"reserveMiB,omitempty"` // of the memory, beside what the system has
	Ports      []int64           `json:"ports,omitempty"`      // that no task gets; nil is the agent's own
	PortsUDP   []int64           `json:"portsUdp,omitempty"`
	Drivers    []string          `json:"drivers,omitempty"` // of logs, that may be used; nil is all
	Without    []string          `json:"without,omitempty"` // capabilities that are switched off
	Trouble    []string          `json:"trouble,omitempty"` // lines that have no effect, and why
}

// capability is the beginning of the names of an agent's capabilities.
const capability = "com.amazonaws.ecs.capability."

// readSettings reads the file: lines of NAME=VALUE, the last of a name counts.
func readSettings(text []byte) settings {
	values := map[string]string{}
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		name, value, ok := strings.Cut(strings.TrimSpace(sc.Text()), "=")
		if name = strings.TrimSpace(name); ok && !strings.HasPrefix(name, "#") {
			values[name] = unquoted(strings.TrimSpace(value))
		}
	}
	var s settings
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if why := s.set(name, values[name]); why != "" {
			s.Trouble = append(s.Trouble, name+" "+why)
		}
	}
	return s
}

func unquoted(v string) string {
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		return v[1 : n-1]
	}
	return v
}

// What is said of a line that has no effect.
const (
	notKnown = "is not known to Berth's agent and has no effect"
	notRead  = "cannot be read and has no effect"
)

// set takes one value in; why says that it has no effect.
func (s *settings) set(name, value string) (why string) {
	var err error
	switch name {
	case "ECS_CLUSTER":
		s.Cluster = value
	case "ECS_INSTANCE_ATTRIBUTES":
		err = json.Unmarshal([]byte(value), &s.Attributes)
	case "ECS_RESERVED_MEMORY":
		s.ReserveMiB, err = strconv.ParseInt(value, 10, 32)
	case "ECS_RESERVED_PORTS":
		err = json.Unmarshal([]byte(value), &s.Ports)
	case "ECS_RESERVED_PORTS_UDP":
		err = json.Unmarshal([]byte(value), &s.PortsUDP)
	case "ECS_AVAILABLE_LOGGING_DRIVERS":
		if err = json.Unmarshal([]byte(value), &s.Drivers); err == nil {
			why = absent(s.Drivers)
		}
	case "ECS_DISABLE_PRIVILEGED":
		err = s.without(value, true, capability+"privileged-container")
	case "ECS_ENABLE_TASK_IAM_ROLE":
		err = s.without(value, false, capability+"task-iam-role", capability+"task-iam-role-network-host")
	case "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST":
		err = s.without(value, false, capability+"task-iam-role-network-host")
	case "ECS_ENABLE_TASK_ENI":
		err = s.without(value, false, "ecs.capability.task-eni", "ecs.capability.task-eni-trunking")
	case "ECS_LOGLEVEL", "ECS_LOGFILE", "ECS_DATADIR", "ECS_BACKEND_HOST", "ECS_ENABLE_CONTAINER_METADATA":
		why = "is not built in Berth and has no effect"
	default:
		why = notKnown
	}
	if err != nil || s.ReserveMiB < 0 {
		s.ReserveMiB = max(s.ReserveMiB, 0)
		return notRead
	}
	return why
}

// without switches capabilities off if a boolean is as it says.
func (s *settings) without(value string, off bool, names ...string) error {
	b, err := strconv.ParseBool(value)
	if err == nil && b == off {
		s.Without = append(s.Without, names...)
	}
	return err
}

const driverPrefix = capability + "logging-driver."

// absent says which drivers of logs there are not.
func absent(drivers []string) (why string) {
	missing := slices.DeleteFunc(slices.Clone(drivers), func(d string) bool { return slices.Contains(capabilities, driverPrefix+d) })
	if len(missing) == 0 {
		return ""
	}
	return "names drivers that Berth has not: " + strings.Join(missing, ", ")
}

// has reports whether the settings leave a capability.
func (s settings) has(name string) bool {
	if driver, ok := strings.CutPrefix(name, driverPrefix); ok && s.Drivers != nil && driver != "none" {
		return slices.Contains(s.Drivers, driver)
	}
	return !slices.Contains(s.Without, name)
}

// ports are resources of the instance that no task gets.
func ports(given []int64, otherwise ...string) []string {
	if given == nil {
		return otherwise
	}
	out := []string{}
	for _, p := range given {
		out = append(out, strconv.FormatInt(p, 10))
	}
	return out
}
