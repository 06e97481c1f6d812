package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// row is one figure: of Berth or of a peer.
type row struct {
	Work    string    `json:"work"`
	Who     string    `json:"who"`
	Unit    string    `json:"unit"`
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	N       int       `json:"n"`
	Bar     string    `json:"bar,omitempty"` // of the design, as written
	Met     *bool     `json:"met,omitempty"`
	Samples []float64 `json:"samples"`
}

// table collects rows in order.
type table struct{ rows []row }

// bar is a limit from the design.
type bar struct {
	limit   float64
	atLeast bool
	text    string
}

func atMost(limit float64, format string, args ...any) *bar {
	return &bar{limit, false, fmt.Sprintf(format, args...)}
}

func atLeast(limit float64, format string, args ...any) *bar {
	return &bar{limit, true, fmt.Sprintf(format, args...)}
}

// add takes in the samples of one figure and returns their median.
func (t *table) add(work, who, unit string, samples []float64, b *bar) float64 {
	if len(samples) == 0 {
		return 0
	}
	r := row{
		Work: work, Who: who, Unit: unit, Median: median(samples), Min: slices.Min(samples), Max: slices.Max(samples), N: len(samples),
		Samples: samples,
	}
	if b != nil {
		met := r.Median <= b.limit
		if b.atLeast {
			met = r.Median >= b.limit
		}
		r.Bar, r.Met = b.text, &met
	}
	t.rows = append(t.rows, r)
	return r.Median
}

func median(s []float64) float64 {
	s = slices.Sorted(slices.Values(s))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func (t *table) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(tw, "| work\t| who\t| median\t| min – max (n)\t| unit\t| bar\t| met\t|")
	fmt.Fprintln(tw, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	last := ""
	for _, r := range t.rows {
		work, met := r.Work, ""
		if work == last {
			work = ""
		}
		last = r.Work
		if r.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*r.Met]
		}
		fmt.Fprintf(
			tw, "| %s\t| %s\t| %s\t| %s – %s (%d)\t| %s\t| %s\t| %s\t|\n", work, r.Who, short(r.Median), short(r.Min), short(r.Max), r.N, r.Unit,
			r.Bar, met,
		)
	}
	return tw.Flush()
}

// short writes three digits that count, and thousands.
func short(v float64) string {
	switch {
	case v >= 10_000:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		var out []byte
		for i := range s {
			if i > 0 && (len(s)-i)%3 == 0 {
				out = append(out, ',')
			}
			out = append(out, s[i])
		}
		return string(out)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// machine describes where the figures were taken.
type machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Load   string `json:"load"`
	Go     string `json:"go"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d CPUs, %s, Linux %s, %s, load at the end %s", m.CPU, m.CPUs, m.Memory, m.Kernel, m.Go, m.Load)
}

func thisMachine() machine {
	m := machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), CPU: field("/proc/cpuinfo", "model name")}
	kb, _ := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"))
	m.Memory = fmt.Sprintf("%.0f GiB", float64(kb)/(1<<20))
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	load, _ := os.ReadFile("/proc/loadavg")
	m.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	return m
}

// field is the first value of a name in a file of "name: value" lines.
func field(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
